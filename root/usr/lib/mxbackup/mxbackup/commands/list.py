"""Show the rules, in the order in which they stand in the mail files.

With a PATTERN only those whose name it fits: '*' stands for anything, '?' for one character; a text without
either is looked for anywhere in the name. Put it in quotes, or the shell takes it for files. The exit status is
1 where none fits. Rules that are ignored, and why, are shown by 'mxbackup status'.
"""

import sys

from mxbackup.mailfiles import own
from mxbackup.rules import lists, record
from mxbackup.rules.rule import RuleSet
from mxbackup.terminal import print_json, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mxbackup.rules.record import Configuration

EXAMPLES = """\
mxbackup list
mxbackup list --json
mxbackup list --csv > rules.csv
mxbackup list '*.org'
"""


def add_arguments(parser: "ArgumentParser") -> None:
    parser.add_argument("pattern", nargs="?", metavar="PATTERN", help="those whose name it fits")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true",
                      help="all that each rule has, with the status and the ignored entries, in JSON")
    form.add_argument("--csv", action="store_true", help="as a list that 'mxbackup add --from-file' reads")
    form.add_argument("--names", action="store_true", help="the names alone")


def run(options: "Namespace") -> int:
    db = record.open_configuration(readonly=True)
    configuration = record.load(db)
    configuration.ignored = own.ignored(configuration, db)
    if options.pattern is not None:
        configuration = _fitting(configuration, options.pattern)
    rules = configuration.rules
    if options.json:
        from mxbackup.rules import extras

        print_json(
            {
                "enabled": configuration.enabled,
                "rules": lists.as_objects(rules, extras.load(db)),
                "ignored": [
                    {"name": e.name, "flag": e.flag, "reason": e.reason} for e in configuration.ignored
                ],
            }
        )
    elif options.csv:
        sys.stdout.write(lists.write_csv(rules))
    elif options.names:
        sys.stdout.write("".join([name + "\n" for name in rules.kinds]))
    else:
        _print_table(configuration, options.pattern is None)
    if options.pattern is not None and not rules:
        sys.stderr.write(f"mxbackup: no rule's name fits {printable(options.pattern)}\n")
        return 1
    return 0


def _fitting(configuration: "Configuration", pattern: str) -> "Configuration":
    """Return the part of `configuration` whose names `pattern` (str) fits."""
    from fnmatch import fnmatchcase

    whole = pattern.lower() if set("*?[").intersection(pattern) else f"*{pattern.lower()}*"
    kinds = {name: kind for name, kind in configuration.rules.kinds.items() if fnmatchcase(name, whole)}
    ignored = [entry for entry in configuration.ignored if fnmatchcase(entry.name.lower(), whole)]
    return record.Configuration(configuration.enabled, RuleSet(kinds), ignored)


def _print_table(configuration: "Configuration", whole: bool) -> None:
    kinds = configuration.rules.kinds
    width = max(map(len, kinds), default=0)
    sys.stdout.write("".join([f"{name:{width}}  {kind}\n" for name, kind in kinds.items()]))
    notes = []
    if not kinds and whole:
        notes.append("There is no rule; 'mxbackup add NAME' makes one.")
    if not configuration.enabled:
        notes.append("MX Backup is disabled: the rules have no effect until 'mxbackup enable'.")
    if configuration.ignored:
        number = len(configuration.ignored)
        what = "1 entry of the record is" if number == 1 else f"{number} entries of the record are"
        notes.append(what + " ignored; 'mxbackup status' says why.")
    sys.stderr.write("".join([f"mxbackup: {note}\n" for note in notes]))
