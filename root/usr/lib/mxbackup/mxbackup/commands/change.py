"""What the commands that change the record share: their options, the dry run, the event, the report."""

import sys

from esmith.database import Database
from esmith.errors import EsmithError
from mxbackup import mailservers
from mxbackup.commands.reading import LONG, SHOWN
from mxbackup.mailfiles import change, outputs
from mxbackup.rules import record
from mxbackup.rules.lists import as_objects
from mxbackup.terminal import agreed, print_json, printable, progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any, Callable, Dict, List, Tuple

    from mxbackup.mailfiles.outputs import State
    from mxbackup.rules.record import Change

    Facts = Dict[str, Any]

NOBODY_READS = (
    "no mail server here reads the rules, so they have no effect: install Postfix (dnf install postfix, or apt"
    " install postfix), qmail, mailfront or qpsmtpd, and set it up; then run: signal-event mxbackup-update"
)
# So many rules are named one by one in a report; of more, the number is given.
NAMED = 20
# So many lines of a dry run's difference are shown, each with so many characters.
DIFFERENCE = 40
WIDEST = 1000
# What a change did, and what it would do.
WOULD = (
    (": added as", ": would be added as"),
    (": is a", ": would be a"), ("would be a HOST already", "is a HOST already"),
    ("would be a DOMAIN already", "is a DOMAIN already"), (": removed, it was", ": would be removed, it is"),
    ("rules added", "rules would be added"), ("rules changed", "rules would be changed"),
    ("rules removed", "rules would be removed"), ("rules were there", "rules are there"),
    ("MX Backup is enabled", "MX Backup would be enabled"), ("MX Backup is disabled", "MX Backup would be disabled"),
    ("would be enabled already", "is enabled already"), ("would be disabled already", "is disabled already"),
)


def add_options(parser: "ArgumentParser") -> None:
    """Add --dry-run, --no-update and --json to `parser`."""
    parser.add_argument(
        "-n",
        "--dry-run",
        action="store_true",
        help="show what would change in the record and in each mail file; write nothing",
    )
    parser.add_argument(
        "--no-update",
        action="store_true",
        help="change the record alone; the mail files follow at the next event " + outputs.EVENT,
    )
    parser.add_argument(
        "-y", "--yes", action="store_true",
        help=f"do not ask, where more than {change.HANDFUL} rules would be removed",
    )
    parser.add_argument("--json", action="store_true", help="report in JSON")


def carry_out(
    options: "Namespace",
    edit: "Callable[[Database], Any]",
    describe: "Callable[[Any], Tuple[List[str], Facts]]",
    compare: bool = True,
    write: "Callable[..., Any]" = change.write,
) -> int:
    """Change the record in one write, signal one event, report; return the exit status (int).

    `edit(db)` changes the configuration Database `db` and returns what it did, true where that is
    anything. `describe(done)` returns it as (list of sentences, dict for JSON); names that are `missing`
    in it are a bad result. `compare`: a dry run can tell what becomes of the mail files. `write`: what calls `edit`.
    Raises change.RemovesMuch where nobody agrees to that.
    """
    db = change.Preview() if options.dry_run else Database()
    before = db.value(record.KEY)

    def signal() -> str:
        if len(db.value(record.KEY)) > 10 * LONG:
            progress("the record is saved; now the mail files")
        return outputs.update()

    try:
        done = write(edit, db, removing=sys.maxsize if options.yes else change.HANDFUL)
    except change.RemovesMuch as much:
        if not agreed(f"{much.what}; go on?"):
            raise
        done = write(edit, db, removing=len(much.names))
    outcome = change.follow_up(done, None if options.dry_run or options.no_update else signal)
    failure = outcome.failure
    sentences, facts = describe(done)
    if options.dry_run:
        sentences = [_would(sentence) for sentence in sentences]
    facts.update(changed=bool(done), dry_run=options.dry_run)
    enabled = record.load(db).enabled
    if options.dry_run:
        sentences += _preview(db, before, facts, compare) if done else []
    elif failure is not None:
        facts["updated"] = not failure
        if not enabled and record.load().enabled:
            enabled = True
            sentences.append("MX Backup is enabled now: a list of an older method was in force")
    if failure:
        facts["failure"] = failure
        facts["old_files"] = [state.path for state in outcome.old]
    if options.json:
        print_json(facts)
    else:
        if done and options.command in ("add", "import") and not enabled:
            sentences.append("MX Backup is disabled: the rules take effect after 'mxbackup enable'")
        for sentence in sentences:
            print(printable(sentence))
    sys.stdout.flush()
    missing = facts.get("missing", ())
    for name in missing[:SHOWN]:
        shown = printable(name[:300] or "''")
        sys.stderr.write(f"mxbackup: {shown}: there is no such rule\n")
    if len(missing) > SHOWN:
        sys.stderr.write(f"mxbackup: and {len(missing) - SHOWN} more\n")
    if failure:
        _complain(failure, outcome.old)
    unread = options.command in ("add", "import", "enable") and not mailservers.applying()
    if unread:
        sys.stderr.write(f"mxbackup: {NOBODY_READS}\n")
    return 1 if failure or missing or unread else 0


def describe(done: "Change") -> "Tuple[List[str], Facts]":
    """Return (sentences, facts for JSON) of a record.Change."""
    facts = {
        "added": as_objects(done.added),
        "changed_kind": as_objects(done.changed),
        "removed": as_objects(done.removed),
        "unchanged": as_objects(done.unchanged),
        "described": done.described,
        "missing": done.missing,
    }
    sentences = []
    for rules, one, many in (
        (done.added, "{}: added as a {}", "{} rules added"),
        (done.changed, "{}: is a {} now", "{} rules changed to the other kind"),
        (done.removed, "{}: removed, it was a {}", "{} rules removed"),
        (done.unchanged, "{}: is a {} already", "{} rules were there already"),
    ):
        sentences += [one.format(*rule) for rule in rules] if len(rules) <= NAMED else [many.format(len(rules))]
    if done.described:
        told = ", ".join(done.described[:NAMED]) if len(done.described) <= NAMED else f"{len(done.described)} rules"
        sentences.append(f"{told}: next hop, contact and note are as given")
    return sentences, facts


def _would(sentence: str) -> str:
    """Return what a change says that it did, as what it would do."""
    for did, would in WOULD:
        sentence = sentence.replace(did, would)
    return sentence


def _shortened(lines: "List[str]") -> "List[str]":
    """Return the first of `lines`, and how many more there are; each no longer than a screen takes."""
    lines = [line if len(line) <= WIDEST else f"{line[:WIDEST]}... ({len(line)} characters)" for line in lines]
    beyond = len(lines) - DIFFERENCE
    return lines if beyond <= 0 else [*lines[:DIFFERENCE], f"... and {beyond} more lines; --json has all"]


def _complain(failure: str, old: "List[State]") -> None:
    sys.stderr.write(
        f"mxbackup: the record is saved, but the mail files were not all brought up to date:"
        f" {printable(failure)}\n"
    )
    for state in old:
        sys.stderr.write(f"mxbackup: {state.path} {printable(state.reason)}\n")
    sys.stderr.write(f"mxbackup: 'mxbackup status' tells more; then run: signal-event {outputs.EVENT}\n")


def _preview(db: Database, before: str, facts: "Facts", compare: bool) -> "List[str]":
    """Return the lines that show what changes in the record, which was `before` (str), and in each file."""
    after = db.value(record.KEY)
    facts["record"] = {"before": before, "after": after}
    lines = [f"-{record.KEY}={before}"] if before and before != after else []
    lines += [f"+{record.KEY}={after}"] if before != after else []
    lines = _shortened(lines)
    facts["files"] = {}
    for _, file in mailservers.applying() if compare else ():
        try:
            difference = outputs.difference(file, db)
        except (EsmithError, OSError) as error:
            difference = f"{file.path}: cannot be made: {error}"
        facts["files"][file.path] = difference
        lines += _shortened(difference.splitlines())
    for _, path, sentence in outputs.beyond(db) if compare else ():
        lines += [f"{path} {sentence}"] if sentence else []
    lines.append("Nothing was written.")
    return lines
