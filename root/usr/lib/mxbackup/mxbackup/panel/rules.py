"""The front page: the state, to be switched, and the rules."""

import re

from mxbackup.mailfiles import own
from mxbackup.panel import verdicts
from mxbackup.panel.rows import Row
from mxbackup.rules import record
from mxbackup.rules.rule import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.distributed import bottle
    from mxbackup.panel.visit import Visit

ROWS = 100  # rules a page


def show(visit: "Visit") -> "bottle.HTTPResponse":
    """The state, the rules in the order of the files, and those that are ignored."""
    db = record.open_configuration(readonly=True)
    configuration = record.load(db)
    ignored = own.ignored(configuration, db)
    kinds = configuration.rules.kinds
    find = visit.fields.get("find", "").strip().lower()[:253]
    names = [name for name in kinds if find in name] if find else list(kinds)
    pages = max(1, -(-len(names) // ROWS))
    number = visit.fields.get("page", "1")
    page = min(max(1, int(number)), pages) if re.match("[0-9]{1,6}$", number) else 1
    shown = names[(page - 1) * ROWS:page * ROWS]
    found = verdicts.load(visit.lexicon)
    return visit.page(
        "rules", configuration=configuration, said=visit.said(), find=find, page=page, pages=pages,
        many=len(kinds) > ROWS or bool(find), caption=_caption(visit, len(names), find),
        rows=[Row(name, kinds[name], found.get(name)) for name in shown],
        ignored=[(printable(entry.name), visit.reason(entry.reason))
                 for entry in ignored[:ROWS]],
        more_ignored=max(0, len(ignored) - ROWS))


def switch(visit: "Visit") -> "bottle.HTTPResponse":
    """Enable or disable all rules."""
    to = visit.fields.get("to")
    if to not in ("enabled", "disabled"):
        raise visit.error(400)
    change = record.enable if to == "enabled" else record.disable
    return visit.change("/", change, lambda changed: (
        f"SUCCESS_{to.upper()}" if changed else "SUCCESS_ALREADY", {}))


def _caption(visit: "Visit", count: int, find: str) -> str:
    if find:
        return visit.lexicon("RULES_CAPTION_FOUND", count=count, name=find)
    return visit.lexicon("RULES_CAPTION_ONE" if count == 1 else "RULES_CAPTION", count=count)
