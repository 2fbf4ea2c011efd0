"""The mail files against the database: which are old, and what a change would make of them; their event.

Under our engine a file is compared with its whole template, rendered in memory. Under the Perl engine,
whose other fragments only Perl can run, our own lines are looked for in the file.
"""

from collections import namedtuple

from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup import mailservers
from mxbackup.host import engine
from mxbackup.mailfiles import part
from mxbackup.mailfiles.wanted import wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Optional, Tuple

    from esmith.database import Database
    from mxbackup.mailservers.shape import MailFile, MailServer

EVENT = "mxbackup-update"
OLD = "is older than the database, or changed by hand"

State = namedtuple("State", "path reader reason")
State.__doc__ = """A mail file of this host, the program that reads it, and why it is not as it should be
("" where it is)."""


def update() -> str:
    """Signal the event that writes the files; return what went wrong, "" where all went well."""
    reasons: List[str] = []
    try:
        status = engine.signal_event(EVENT, tell=reasons.append)
    except EsmithError as error:
        return str(error)
    if not status:
        return ""
    return "; ".join(reasons) or f"a handler of the event {EVENT} failed; the system log says which"


def states(db: "Database") -> "List[State]":
    """Return a State for each mail file that this host has, and for what its servers keep beyond them.

    `db` is the configuration Database.
    """
    found = [State(file.path, file.reader, _reason(server, file, db)) for server, file in mailservers.applying()]
    return found + [State(path, server.name, reason) for server, path, reason in beyond(db)]


def beyond(db: "Database") -> "Iterator[Tuple[MailServer, str, str]]":
    """Yield (server, path, sentence) for what each server keeps for the rules beyond its files.

    The sentence is what an event would change there, "" for nothing. A server that this host has no longer counts.
    """
    for server in mailservers.servers():
        if server.pending:
            for path, sentence in server.pending(wanted(server, db)):
                yield server, path, sentence


def difference(file: "MailFile", db: "Database") -> str:
    """Return the unified diff ("" for none) of `file` as it is and of what `db` makes of it.

    Raises TemplateError and OSError.
    """
    from esmith.differences import unified

    now, then = now_and_then(file, db)
    old, new = ((content or b"").decode("utf-8", "surrogateescape") for content in (now, then))
    return unified(old, new, "/dev/null" if now is None else file.path, file.path)


def now_and_then(file: "MailFile", db: "Database") -> "Tuple[Optional[bytes], bytes]":
    """Return what `file` holds and what `db` makes of it (None: no file).

    Raises TemplateError and OSError.
    """
    # First, for it refuses what is no regular file: to open that may wait for ever.
    then = _render(file.path, db) if engine.is_ours() else None
    try:
        with open(rooted(file.path), "rb") as stream:
            now = stream.read()
    except FileNotFoundError:
        now = None
    if then is not None:
        return now, then
    ours = part.text(file.name, db)
    if now is None:
        return now, ours.encode()
    text = now.decode("utf-8", "surrogateescape")
    begin, end = part.bounds(text)
    return now, (text[:begin] + ours + text[end:]).encode("utf-8", "surrogateescape")


def _reason(server: "MailServer", file: "MailFile", db: "Database") -> str:
    try:
        now, then = now_and_then(file, db)
    except (EsmithError, OSError) as error:
        return f"cannot be made: {error}"
    if now is None:
        return "is not there yet"
    if now != then:
        return OLD
    there = now.decode("utf-8", "replace").split("\n")
    lacking = set(file.entries(wanted(server, db))).difference(there)
    return "lacks the rules: a custom fragment hides ours" if lacking else ""


def _render(path: str, db: "Database") -> bytes:
    from esmith import fragments, templates

    class Names(fragments.Names):
        """What fragments can name, with `db` for the configuration database."""

        def database(self, name: str) -> "Database":
            return db if name == "configuration" else fragments.Names.database(self, name)

    return templates.render(path, names=Names())
