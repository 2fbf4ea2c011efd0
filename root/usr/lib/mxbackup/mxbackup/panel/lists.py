"""A list of rules: its form, its summary, and the rules once that is confirmed."""

import re

from mxbackup.mailfiles import own
from mxbackup.panel import mailfiles
from mxbackup.panel.rows import Row
from mxbackup.panel.visit import Message
from mxbackup.rules import lists, record
from mxbackup.rules.rule import DOMAIN, HOST, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.distributed import bottle
    from mxbackup.panel.visit import Visit
    from mxbackup.rules.record import Change

SHOWN = 20  # rules or errors in a summary
LONGEST = 20000  # rules in one list
# The first line of a CSV file: no line of ours where it is not the first.
HEADING = re.compile(r"\ufeff?\s*\"?name\"?[,;\s]\s*\"?kind\"?\s*\n", re.I)


def show(visit: "Visit") -> "bottle.HTTPResponse":
    """The form."""
    return visit.page("list", typed="", kind=HOST, errors=[], more=0)


def check(visit: "Visit") -> "bottle.HTTPResponse":
    """The summary, to confirm; or the form again with each line that is wrong."""
    lexicon = visit.lexicon
    text = _text(visit)
    kind = DOMAIN if visit.fields.get("kind") == DOMAIN else HOST
    db = record.open_configuration(readonly=True)
    configuration = record.load(db)
    kinds = configuration.rules.kinds
    entries, refusals = lists.read(text.encode("utf-8", "surrogatepass"), "")
    accepted, refused = lists.resolve(entries, kind, kinds)
    refused += own.refusals(entries, accepted, kinds, db)
    errors = [
        lexicon("LIST_LINE", line=line or 1, name=printable((name or text.strip())[:80]), reason=visit.reason(reason))
        for _, line, name, reason in sorted(refusals + refused, key=lambda refusal: refusal.line or 1)
    ]
    new = [rule for rule in accepted if kinds.get(rule.name) != rule.kind]
    if not errors and not entries:
        errors = [lexicon("LIST_EMPTY")]
    elif not errors and not new:
        errors = [lexicon("LIST_NOTHING_NEW")]
    elif len(new) > LONGEST:
        errors = [lexicon("LIST_TOO_LONG")]
    if errors:
        more = max(0, len(errors) - SHOWN)
        return visit.page("list", 422, typed=text, kind=kind, errors=errors[:SHOWN], more=more)
    count = len(new)
    known = len(accepted) - count
    return visit.page(
        "confirm", heading=lexicon("SUMMARY_ADD_MANY", count=count), question=lexicon("SUMMARY_ADD_MANY_DESC"),
        said=known and Message(lexicon("LIST_SKIPPED", count=known)),
        rows=[Row(*rule) for rule in new[:SHOWN]], more=max(0, count - SHOWN),
        fields=[("list", "".join(f"{rule.name} {rule.kind}\n" for rule in new))], action="list/confirm",
        button=lexicon("APPLY"), danger=False, enabled=configuration.enabled,
        lines_title=lexicon("LINES_ADDED"), files=mailfiles.with_rules(new[:SHOWN]))


def change(visit: "Visit") -> "bottle.HTTPResponse":
    """Add the list that was confirmed, in one write and one event."""
    entries, refusals = lists.read(visit.fields.get("list", "").encode("utf-8", "surrogatepass"), "")
    # The summary gave each its kind.
    pairs = [(entry.name, entry.kind) for entry in entries if entry.kind]
    if refusals or not pairs or len(pairs) != len(entries) or record.check(pairs)[1]:
        raise visit.error(400)

    def said(change: "Change") -> "tuple[str, dict[str, object]]":
        if change:
            return "SUCCESS_ADDED_MANY", {"count": len(change.added) + len(change.changed)}
        return "SUCCESS_ALREADY", {}

    return visit.change("/", lambda db: record.add(pairs, db), said)


def _text(visit: "Visit") -> str:
    """Return what was typed and the file, as one list with line ends of ours."""
    text, file = visit.fields.get("list", ""), visit.fields.get("file", "")
    if text.strip():
        text, file = text + "\n", HEADING.sub("", file, 1) if HEADING.match(file) else file
    return (text + file).replace("\r\n", "\n").replace("\r", "\n")
