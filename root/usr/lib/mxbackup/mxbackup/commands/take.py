"""Read rules from a file that 'mxbackup export' wrote, or from any list as 'mxbackup add --from-file'
takes.

The rules are added to those that are there, and a kind in the file counts; with --replace, the file's
rules are the only ones afterwards. All are checked first: where one is refused, nothing is changed. The
status stays as it is.
"""

from mxbackup.commands import change, reading
from mxbackup.rules import record
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXAMPLES = """\
mxbackup import rules.csv
mxbackup import rules.json --replace --dry-run
ssh friend mxbackup export | mxbackup import
"""


def add_arguments(parser: "ArgumentParser") -> None:
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="the list (default: standard input)"
    )
    parser.add_argument("--replace", action="store_true", help="remove the rules that FILE does not have")
    change.add_options(parser)


def run(options: "Namespace") -> int:
    entries, refusals = reading.read_files([options.file])
    if options.replace and not entries and not refusals:
        # An empty pipe must not take all rules away.
        raise WrongUse("the list holds no rule; nothing was changed ('mxbackup remove' removes rules)")
    rules = reading.resolve(entries, refusals, None, record.load().rules.kinds)
    edit = record.replace if options.replace else record.add
    return change.carry_out(options, lambda db: edit(rules, db), change.describe)
