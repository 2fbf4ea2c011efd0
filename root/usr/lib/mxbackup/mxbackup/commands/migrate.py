"""Take lists of older methods over into the rules: /etc/MXBackupDomains and static template fragments.

Each event does this too. A list is taken whole or left where it is and reported; then the exit status is 1.
What is taken is kept below /var/lib/mxbackup/replaced. No domain that was accepted is refused afterwards.
"""

from mxbackup.commands import change
from mxbackup.mailfiles import migration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import List, Tuple

    from esmith.database import Database
    from mxbackup.commands.change import Facts
    from mxbackup.mailfiles.migration import Step

EXAMPLES = """\
mxbackup migrate --dry-run
mxbackup migrate
"""


def add_arguments(parser: "ArgumentParser") -> None:
    change.add_options(parser)


def run(options: "Namespace") -> int:
    left: List[Step] = []

    def migrate(db: "Database") -> "List[Step]":
        steps = list(migration.migrate(db, options.dry_run))
        left.extend(step for step in steps if not step.done)
        return [step for step in steps if step.done]

    def describe(done: "List[Step]") -> "Tuple[List[str], Facts]":
        steps = [{"path": step.path, "text": step.text, "done": step.done} for step in done + left]
        return [str(step) for step in done + left] or ["There is nothing to migrate."], {"steps": steps}

    # The lists that would go are still there, and hide our fragments from a comparison.
    # Each list that is taken over is a change of its own, made before the list goes.
    status = change.carry_out(options, migrate, describe, compare=False, write=lambda edit, db, removing: edit(db))
    return 1 if left else status
