"""The mail files as the panel shows and writes them: its other modules leave to this one how that is done."""

import sys
from os.path import dirname

from esmith.database import Database
from esmith.errors import EsmithError
from mxbackup import mailservers
from mxbackup.mailfiles import outputs, wanted
from mxbackup.rules.rule import RuleSet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mxbackup.rules.record import Configuration
    from mxbackup.rules.rule import Rule

# Run by a Python of its own, whose first argument is the folder of our packages.
UPDATE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from mxbackup.mailfiles import outputs; sys.stdout.buffer.write(outputs.update().encode('utf-8', 'replace'))"
)


class File:
    """A mail file as a page shows it: its `path`, its `lines` (list of str), and whether it is `old`.

    `old` is None where that was not asked.
    """

    def __init__(self, path: str, lines: "list[str]", old: "bool | None" = None) -> None:
        self.path, self.lines, self.old = path, lines, old

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def with_rules(new: "Iterable[Rule]") -> "list[File]":
    """Return what each mail file that gets anything holds for the rules `new` alone, once they are in force."""
    return [file for file in _with(RuleSet(new).kinds) if file.lines]


def with_all_rules(configuration: "Configuration") -> "list[File]":
    """Return what each mail file of this host gets from the rules, enabled or not, and whether it is old."""
    outdated = old()
    files = _with(configuration.rules.kinds)
    for file in files:
        file.old = file.path in outdated
    return files


def old() -> "list[str]":
    """Return the paths of the mail files that are not as the database says; none where it cannot be read."""
    try:
        return [state.path for state in outputs.states(Database(readonly=True)) if state.reason]
    except (EsmithError, OSError):
        return []


def update(apart: bool) -> str:
    """Bring the mail files up to date by one event; return what went wrong, "" where all went well.

    `apart`: in a process of its own, as a program with threads needs it, for an event forks.
    """
    if not apart:
        return outputs.update()
    import subprocess

    library = dirname(dirname(dirname(__file__)))
    ran = subprocess.run([sys.executable, "-IS", "-c", UPDATE, library],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return f"the event ended with status {ran.returncode}" if ran.returncode else ran.stdout.decode()


def _with(kinds: "dict[str, str]") -> "list[File]":
    db = Database(readonly=True)
    return [File(file.path, file.entries(wanted.as_if(server, kinds, db))) for server, file in mailservers.applying()]
