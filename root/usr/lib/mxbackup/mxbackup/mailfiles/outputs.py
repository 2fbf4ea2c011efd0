"""The mail files against the database: which are old, and what a change would make of them; their event.

Under our engine a file is compared with its whole template, rendered in memory. Under the Perl engine,
whose other fragments only Perl can run, our own lines are looked for in the file.
"""

import os
from collections import namedtuple

from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup import targets
from mxbackup.host import engine
from mxbackup.mailservers import qmail_lists as morercpthosts
from mxbackup.rules import record

EVENT = "mxbackup-update"
OLD = "is older than the database, or changed by hand"

State = namedtuple("State", "path reader reason")
State.__doc__ = """A mail file of this host, the program that reads it, and why it is not as it should be
("" where it is)."""


def update():
    """Signal the event that writes the files; return what went wrong (str), "" where all went well."""
    try:
        status = engine.signal_event(EVENT)
    except EsmithError as error:
        return str(error)
    return f"a handler of the event {EVENT} failed; the system log says which" if status else ""


def states(db):
    """Return a State for each mail file that this host has; `db` is the configuration Database."""
    configuration = record.load(db)
    found = [
        State(target.path, target.reader, _reason(target, db, configuration)) for target in targets.applying()
    ]
    second = morercpthosts.ours()
    if second:
        more = set(second).difference(targets.kinds(configuration))
        found.append(State(morercpthosts.LIST, "qmail-smtpd", OLD if more else ""))
    return found


def _reason(target, db, configuration):
    try:
        now, then = now_and_then(target, db)
    except (EsmithError, OSError) as error:
        return f"cannot be made: {error}"
    if now is None:
        return "is not there yet"
    if now != then:
        return OLD
    lacking = set(targets.entries(target.name, configuration)).difference(
        now.decode("utf-8", "replace").split("\n")
    )
    return "lacks the rules: a custom fragment hides ours" if lacking else ""


def compiled_later(db):
    """Return how many names (int) the event takes out of `rcpthosts` again, into qmail's compiled list."""
    kinds = targets.kinds(record.load(db))
    here = os.path.isdir(rooted(morercpthosts.CONTROL))
    if not here or morercpthosts.is_shared() or morercpthosts.compiler() is None:
        return 0
    return len(set(morercpthosts.beyond(kinds)).difference(morercpthosts.compiled_names(kinds)))


def difference(target, db):
    """Return the unified diff (str, "" for none) of the file of `target` and of what `db` makes of it.

    Raises TemplateError and OSError.
    """
    from esmith.differences import unified

    now, then = now_and_then(target, db)
    texts = [(content or b"").decode("utf-8", "surrogateescape") for content in (now, then)]
    return unified(*texts, "/dev/null" if now is None else target.path, target.path)


def now_and_then(target, db):
    """Return what the file of `target` holds and what `db` makes of it (bytes both; None: no file).

    Raises TemplateError and OSError.
    """
    # First, for it refuses what is no regular file: to open that may wait for ever.
    then = _render(target.path, db) if engine.is_ours() else None
    try:
        with open(rooted(target.path), "rb") as stream:
            now = stream.read()
    except FileNotFoundError:
        now = None
    if then is not None:
        return now, then
    ours = targets.text(target.name, db)
    if now is None:
        return now, ours.encode()
    text = now.decode("utf-8", "surrogateescape")
    begin, end = targets.part(text)
    return now, (text[:begin] + ours + text[end:]).encode("utf-8", "surrogateescape")


def _render(path, db):
    from esmith import fragments, templates

    class Names(fragments.Names):
        """What fragments can name, with `db` for the configuration database."""

        def database(self, name):
            return db if name == "configuration" else fragments.Names.database(self, name)

    return templates.render(path, names=Names())
