"""Show the rules, in the order in which they stand in the mail files.

Rules that are ignored, and why, are shown by 'mxbackup status'.
"""

import json
import sys

from mxbackup.rules import lists, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mxbackup.rules.record import Configuration

EXAMPLES = """\
mxbackup list
mxbackup list --json
mxbackup list --csv > rules.csv
"""


def add_arguments(parser: "ArgumentParser") -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="with the status and the ignored entries, in JSON")
    form.add_argument("--csv", action="store_true", help="as a list that 'mxbackup add --from-file' reads")
    form.add_argument("--names", action="store_true", help="the names alone")


def run(options: "Namespace") -> int:
    configuration = record.load()
    rules = configuration.rules
    if options.json:
        json.dump(
            {
                "enabled": configuration.enabled,
                "rules": lists.as_objects(rules),
                "ignored": [
                    {"name": e.name, "flag": e.flag, "reason": e.reason} for e in configuration.ignored
                ],
            },
            sys.stdout,
            indent=1,
        )
        print()
    elif options.csv:
        sys.stdout.write(lists.write_csv(rules))
    elif options.names:
        sys.stdout.write("".join([name + "\n" for name in rules.kinds]))
    else:
        _print_table(configuration)
    return 0


def _print_table(configuration: "Configuration") -> None:
    kinds = configuration.rules.kinds
    width = max(map(len, kinds), default=0)
    sys.stdout.write("".join([f"{name:{width}}  {kind}\n" for name, kind in kinds.items()]))
    notes = []
    if not kinds:
        notes.append("There is no rule; 'mxbackup add NAME' makes one.")
    if not configuration.enabled:
        notes.append("MX Backup is disabled: the rules have no effect until 'mxbackup enable'.")
    if configuration.ignored:
        number = len(configuration.ignored)
        what = "1 entry of the record is" if number == 1 else f"{number} entries of the record are"
        notes.append(what + " ignored; 'mxbackup status' says why.")
    sys.stderr.write("".join([f"mxbackup: {note}\n" for note in notes]))
