"""Let the rules take effect, or keep them without effect.

While MX Backup is disabled its rules stay in the record and none of them stands in any mail file.
"""

from mxbackup.commands import change
from mxbackup.rules import record

EXAMPLES = """\
mxbackup enable
mxbackup disable
mxbackup disable --dry-run
"""


def add_arguments(parser):
    change.add_options(parser)


def run(options):
    switch, state = (
        (record.enable, "enabled") if options.command == "enable" else (record.disable, "disabled")
    )

    def describe(done):
        return ["MX Backup is {}{}".format(state, "" if done else " already")], {"status": state}

    return change.carry_out(options, switch, describe)
