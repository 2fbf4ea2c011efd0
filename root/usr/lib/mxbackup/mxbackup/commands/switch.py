"""Let the rules take effect, or keep them without effect.

While MX Backup is disabled its rules stay in the record and none of them stands in any mail file.
"""

from mxbackup.commands import change
from mxbackup.rules import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import List, Tuple

    from mxbackup.commands.change import Facts

EXAMPLES = """\
mxbackup enable
mxbackup disable
mxbackup disable --dry-run
"""


def add_arguments(parser: "ArgumentParser") -> None:
    change.add_options(parser)


def run(options: "Namespace") -> int:
    switch, state = (
        (record.enable, "enabled") if options.command == "enable" else (record.disable, "disabled")
    )

    def describe(done: bool) -> "Tuple[List[str], Facts]":
        return [f"MX Backup is {state}{'' if done else ' already'}"], {"enabled": options.command == "enable"}

    return change.carry_out(options, switch, describe)
