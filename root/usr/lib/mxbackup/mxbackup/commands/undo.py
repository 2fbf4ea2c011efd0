"""Take a change of the rules back: the last one, or the one whose number 'mxbackup history' shows.

What was added is removed, what was removed is there again with all that it had, and what was changed is as it was.
Where any of it was changed again since, nothing is done, and the change to take back first is named. An undo is a
change as any other: take it back, and all is as before it.
"""

from mxbackup.commands import change
from mxbackup.mailfiles import undo
from mxbackup.mailfiles.change import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import List, Tuple

    from mxbackup.commands.change import Facts

EXAMPLES = """\
mxbackup undo --dry-run
mxbackup undo
mxbackup undo 12
"""


def add_arguments(parser: "ArgumentParser") -> None:
    parser.add_argument("number", nargs="?", type=int, metavar="N", help="the change's number (default: the last)")
    change.add_options(parser)


def run(options: "Namespace") -> int:
    if options.dry_run:
        # What was changed beside us is a change, too, and perhaps the last one.
        look()

    def describe(done: "undo.Undone") -> "Tuple[List[str], Facts]":
        sentences, facts = change.describe(done)
        if done.enabled is not None:
            sentences.append(f"MX Backup is {'enabled' if done.enabled else 'disabled'}")
            facts["enabled"] = done.enabled
        entry = done.entry
        facts["undoes"] = entry.number
        by = f", {entry.command}" if entry.command else ""
        return [f"{'Would take' if options.dry_run else 'Took'} back: {entry.number}{by}", *sentences], facts

    return change.carry_out(options, undo.edit(options.number), describe)
