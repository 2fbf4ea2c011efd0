"""What the commands that change the record share: their options, the dry run, the event, the report."""

import json
import sys

from esmith.database import Database
from esmith.errors import EsmithError
from mxbackup import targets
from mxbackup.commands.reading import LONG, SHOWN
from mxbackup.mailfiles import outputs
from mxbackup.mailservers import qmail_lists as morercpthosts
from mxbackup.rules import record
from mxbackup.rules.lists import as_objects
from mxbackup.terminal import printable, progress

# So many rules are named one by one in a report; of more, the number is given.
NAMED = 20


class Preview(Database):
    """The configuration database; what a transaction changes in it stays in memory."""

    def transaction(self):
        return self.preview()


def add_options(parser):
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
    parser.add_argument("--json", action="store_true", help="report in JSON")


def carry_out(options, change, describe, compare=True):
    """Change the record in one write, signal one event, report; return the exit status (int).

    `change(db)` changes the configuration Database `db` and returns what it did, true where that is
    anything. `describe(done)` returns it as (list of sentences, dict for JSON); names that are `missing`
    in it are a bad result. `compare`: a dry run can tell what becomes of the mail files.
    """
    db = Preview() if options.dry_run else Database()
    before = db.value(record.KEY)
    done = change(db)
    sentences, facts = describe(done)
    facts.update(changed=bool(done), dry_run=options.dry_run)
    enabled = record.load(db).enabled
    failure = ""
    if options.dry_run:
        sentences += _preview(db, before, facts, compare) if done else []
    elif done and not options.no_update:
        if len(db.value(record.KEY)) > 10 * LONG:
            progress("the record is saved; now the mail files")
        failure = outputs.update()
        facts["updated"] = not failure
        if not enabled and record.load().enabled:
            enabled = True
            sentences.append("MX Backup is enabled now: a list of an older method was in force")
    if failure:
        facts["failure"] = failure
        old = [state for state in outputs.states(Database(readonly=True)) if state.reason]
        facts["old_files"] = [state.path for state in old]
    if options.json:
        json.dump(facts, sys.stdout, indent=1)
        print()
    else:
        if done and options.command in ("add", "import") and not enabled:
            sentences.append("MX Backup is disabled: the rules take effect after 'mxbackup enable'")
        for sentence in sentences:
            print(printable(sentence))
    sys.stdout.flush()
    missing = facts.get("missing", ())
    for name in missing[:SHOWN]:
        sys.stderr.write("mxbackup: {}: there is no such rule\n".format(printable(name[:300] or "''")))
    if len(missing) > SHOWN:
        sys.stderr.write("mxbackup: and %d more\n" % (len(missing) - SHOWN))
    if failure:
        _complain(failure, old)
    return 1 if failure or missing else 0


def describe(done):
    """Return (sentences, facts for JSON) of a record.Change."""
    facts = {
        "added": as_objects(done.added),
        "changed_kind": as_objects(done.changed),
        "removed": as_objects(done.removed),
        "unchanged": as_objects(done.unchanged),
        "missing": done.missing,
    }
    sentences = []
    for form, plural, rules in (
        ("%s: added as a %s", "%d rules added", done.added),
        ("%s: is a %s now", "%d rules changed to the other kind", done.changed),
        ("%s: removed, it was a %s", "%d rules removed", done.removed),
        ("%s: is a %s already", "%d rules were there already", done.unchanged),
    ):
        sentences += [form % rule for rule in rules] if len(rules) <= NAMED else [plural % len(rules)]
    return sentences, facts


def _complain(failure, old):
    sys.stderr.write(
        f"mxbackup: the record is saved, but the mail files were not all brought up to date: {failure}\n"
    )
    for state in old:
        sys.stderr.write(f"mxbackup: {state.path} {printable(state.reason)}\n")
    sys.stderr.write(f"mxbackup: 'mxbackup status' tells more; then run: signal-event {outputs.EVENT}\n")


def _preview(db, before, facts, compare):
    """Return the lines that show what changes in the record, which was `before` (str), and in each file."""
    after = db.value(record.KEY)
    facts["record"] = {"before": before, "after": after}
    lines = [f"-{record.KEY}={before}"] if before and before != after else []
    lines += [f"+{record.KEY}={after}"] if before != after else []
    facts["files"] = {}
    for target in targets.applying() if compare else ():
        try:
            difference = outputs.difference(target, db)
        except (EsmithError, OSError) as error:
            difference = f"{target.path}: cannot be made: {error}"
        facts["files"][target.path] = difference
        lines += difference.splitlines()
    more = outputs.compiled_later(db) if compare else 0
    if more:
        lines.append("The last %d names go to %s, compiled, and not here." % (more, morercpthosts.LIST))
    lines.append("Nothing was written.")
    return lines
