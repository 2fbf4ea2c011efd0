"""A rule less: its summary, and the removal once that is confirmed."""

from mxbackup.panel import mailfiles
from mxbackup.panel.rows import Row
from mxbackup.rules import record
from mxbackup.rules.rule import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.distributed import bottle
    from mxbackup.panel.visit import Visit


def show(visit: "Visit") -> "bottle.HTTPResponse":
    """The summary of a rule that may go, to confirm."""
    lexicon = visit.lexicon
    name = visit.fields.get("name", "")
    configuration = record.load()
    kind = configuration.rules.kinds.get(name)
    if kind is None:
        return visit.redirect("/", "ERR_GONE", name=name[:300])
    rule = Rule(name, kind)
    return visit.page(
        "confirm", heading=lexicon("SUMMARY_REMOVE"), question=lexicon("SUMMARY_REMOVE_DESC"),
        rows=[Row(*rule)], more=0, fields=[("name", rule.name), ("kind", rule.kind)], action="remove",
        button=lexicon("REMOVE"), danger=True, enabled=True, lines_title=lexicon("LINES_REMOVED"),
        files=mailfiles.with_rules([rule]))


def change(visit: "Visit") -> "bottle.HTTPResponse":
    """Remove the rule that was confirmed, if it still is what was shown."""
    name, kind = visit.fields.get("name", "")[:1000], visit.fields.get("kind")
    now = record.load().rules.kinds.get(name)
    if now is None:
        return visit.redirect("/", "ERR_GONE", name=name[:300])
    if now != kind:
        return visit.redirect("/", "ERR_CHANGED", name=name, kind=now)
    return visit.change("/", lambda db: record.remove([name], db), lambda change: (
        "SUCCESS_REMOVED" if change else "ERR_GONE", {"name": name}))
