"""Accept mail for hosts and domains no longer.

All are removed in one change of the record, and one event brings the mail files up to date. A name
without a rule is reported, and the exit status is 1. A rule that is ignored ('mxbackup status' names
them) goes by its name too.
"""

from mxbackup.commands import change, reading
from mxbackup.rules import record
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXAMPLES = """\
mxbackup remove smithnet.com
mxbackup remove mail.bar.org mx.bar.org
mxbackup remove --from-file gone.txt
mxbackup remove smithnet.com --dry-run
mxbackup remove --all --yes
"""


def add_arguments(parser: "ArgumentParser") -> None:
    reading.add_arguments(parser)
    parser.add_argument("--all", action="store_true", help="every rule, and every entry that is ignored")
    change.add_options(parser)


def run(options: "Namespace") -> int:
    if options.all:
        if options.names or options.from_file:
            raise WrongUse("--all goes without names; nothing was changed")
        return change.carry_out(options, record.remove_all, change.describe)
    entries, refusals = reading.read(options)
    reading.refuse(refusals, len(entries) + len(refusals))
    names = list(dict.fromkeys(entry.name for entry in entries))
    return change.carry_out(options, lambda db: record.remove(names, db), change.describe)
