"""A new rule: its form, its summary, and the rule itself once that is confirmed."""

from mxbackup.mailfiles import own
from mxbackup.panel import mailfiles
from mxbackup.panel.rows import Row
from mxbackup.panel.visit import Message
from mxbackup.rules import record
from mxbackup.rules.rule import FLAG_OF_KIND, HOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.distributed import bottle
    from mxbackup.panel.visit import Visit
    from mxbackup.rules.record import Change


def show(visit: "Visit") -> "bottle.HTTPResponse":
    """The form."""
    return visit.page("create", typed="", kind=HOST, error=None)


def check(visit: "Visit") -> "bottle.HTTPResponse":
    """The summary, to confirm; or the form again with what is wrong."""
    lexicon = visit.lexicon
    text, kind = visit.fields.get("name", ""), visit.fields.get("kind")
    accepted, errors = record.check([(text, kind if kind in FLAG_OF_KIND else HOST)])
    if errors:
        error = visit.reason(errors[0].reason)
        return visit.page("create", 422, typed=text[:1000], kind=kind, error=error)
    rule = accepted[0]
    db = record.open_configuration(readonly=True)
    configuration = record.load(db)
    who = own.who(rule.name, own.names(db))
    if who:
        return visit.page("create", 422, typed=text[:1000], kind=kind, error=visit.reason(own.REASON + who))
    was = configuration.rules.kinds.get(rule.name)
    if was == rule.kind:
        error = lexicon("ERR_EXISTS", name=rule.name, kind=lexicon(was))
        return visit.page("create", 422, typed=text[:1000], kind=kind, error=error)
    said = was and Message(lexicon("ERR_OTHER_KIND", name=rule.name, kind=lexicon(was)))
    return visit.page(
        "confirm", heading=lexicon("SUMMARY_ADD"), question=lexicon("SUMMARY_ADD_DESC"), said=said,
        rows=[Row(*rule)], more=0, fields=[("name", rule.name), ("kind", rule.kind)], action="create/confirm",
        button=lexicon("APPLY"), danger=False, enabled=configuration.enabled,
        lines_title=lexicon("LINES_ADDED"), files=mailfiles.with_rules([rule]))


def change(visit: "Visit") -> "bottle.HTTPResponse":
    """Add the rule that was confirmed."""
    name, kind = visit.fields.get("name", ""), visit.fields.get("kind", "")
    if kind not in FLAG_OF_KIND or record.check([(name, kind)])[1]:
        raise visit.error(400)

    def said(change: "Change") -> "tuple[str, dict[str, object]]":
        if change.added:
            return "SUCCESS_ADDED", {"name": name}
        if change.changed:
            return "SUCCESS_CHANGED", {"name": name, "kind": kind}
        return "SUCCESS_EXISTED", {"name": name}

    return visit.change("/", lambda db: record.add([(name, kind)], db), said)
