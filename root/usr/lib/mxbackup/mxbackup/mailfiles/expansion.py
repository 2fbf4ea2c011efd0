"""Writes the mail files that this host has: the work of the action mxbackup-expand."""

import sys
from contextlib import ExitStack, contextmanager

from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup import mailservers
from mxbackup.host import engine
from mxbackup.mailfiles import change, own, part
from mxbackup.mailfiles.wanted import wanted
from mxbackup.rules import record
from mxbackup.rules.rule import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, List

    from mxbackup.mailservers.shape import Update
    from mxbackup.rules.rule import Ignored

    Say = Callable[[str], None]

# So many ignored rules are named in the log; `mxbackup status` names all.
SHOWN = 5


def main() -> int:
    """Expand each file that applies here, saying so on stdout; return 0, or 1 where one is as it was."""
    _look()
    return 0 if expand(_say) else 1


def expand(say: "Say") -> bool:
    """Expand each file that applies here; return whether all went well. `say` takes lines.

    One that fails does not stop the others; the files that may be old are named at the end.
    """
    try:
        db = record.open_configuration(readonly=True)
        configuration = record.load(db)
    except EsmithError as error:
        # Each expansion would fail alike: every file stays as it is.
        say(f"ERROR: {error}")
        return False
    _report(configuration.warnings, own.ignored(configuration, db), say)
    files = [file for _, file in mailservers.applying()]
    if not engine.is_ours():
        from esmith import lastlines

        for file in files:
            lastlines.drop(file.path, part.text(file.name).encode())
    with _updates(say) as updates:
        for file in files:
            if engine.is_ours() and not _is_known(file.path):
                part.put(file.path, part.text(file.name), say)
        old = engine.expand_all([file.path for file in files], say)
    old += [path for path in _short_of_entries(say) if path not in old]
    if old:
        say("ERROR: not expanded, and as old as they were: " + " ".join(old))
    return not old and all(update.well for update in updates)


def update_servers(say: "Say") -> bool:
    """Let each server bring up to date what it keeps beyond its files, which stay; return whether all went well."""
    with _updates(say) as updates:
        pass
    return all(update.well for update in updates)


@contextmanager
def _updates(say: "Say") -> "Iterator[List[Update]]":
    """Let each server bring up to date, around the writing of the files, what it keeps beyond them.

    Also one that this host has no longer: what it still holds is taken out.
    """
    with ExitStack() as stack:
        yield [
            stack.enter_context(server.update(wanted(server), say))
            for server in mailservers.servers()
            if server.update
        ]


def _look() -> None:
    """Enter in the journal what was changed beside us; where that cannot be, the files matter more."""
    try:
        change.look()
    except EsmithError as error:
        _say(f"WARNING: {error}")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _is_known(path: str) -> bool:
    from esmith.written import Written

    with Written(path, looking=True) as written:
        return written.known()


def _report(warnings: "List[str]", ignored: "List[Ignored]", say: "Say") -> None:
    """Say what the record holds besides rules that are in force; `say` takes lines (str)."""
    for warning in warnings:
        say("WARNING: " + warning)
    for entry in ignored[:SHOWN]:
        say(f"WARNING: the rule {printable(entry.name) or 'without a name'} is ignored: {entry.reason}")
    if len(ignored) > SHOWN:
        say(f"WARNING: {len(ignored) - SHOWN} more are ignored: see mxbackup status")


def _short_of_entries(say: "Say") -> "Iterator[str]":
    """Yield the path of each file that lacks an entry, where the engine cannot be trusted to have told.

    The Perl engine hides some failures, and a custom fragment may hide ours.
    """
    for server, file in mailservers.applying():
        if engine.is_ours() and not engine.hides_ours(file.path):
            continue
        try:
            with open(rooted(file.path), encoding="utf-8", errors="surrogateescape") as stream:
                lines = set(stream.read().split("\n"))
        except OSError as error:
            say(f"ERROR: {file.path}: {error.strerror}")
            lines = set()
        missing = [entry for entry in file.entries(wanted(server)) if entry not in lines]
        if missing:
            say(
                f"ERROR: {file.path} lacks {len(missing)} entries, such as {missing[0]}:"
                " see mxbackup check --only files"
            )
            yield file.path
