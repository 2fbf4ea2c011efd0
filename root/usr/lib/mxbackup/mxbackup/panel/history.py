"""What was changed, when and by whom; and a change taken back once that is confirmed."""

import calendar
import re
import time

from esmith.errors import EsmithError
from mxbackup.mailfiles import change, undo
from mxbackup.panel.visit import report
from mxbackup.rules.rule import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.distributed import bottle
    from mxbackup.panel.visit import Visit
    from mxbackup.rules.journal import Entry

ENTRIES = 100  # of the journal
NAMED = 20  # names of one change


class Line:
    """One change as the page shows it: `number`, `when`, `who`, `command`, `lines` (list of str), `more` (int)."""

    def __init__(self, entry: "Entry", visit: "Visit") -> None:
        lexicon = visit.lexicon
        self.number = entry.number
        at = calendar.timegm(time.strptime(entry.at, "%Y-%m-%dT%H:%M:%SZ"))
        self.when = time.strftime(lexicon("TIME_FORMAT"), time.localtime(at))
        self.who = lexicon("HISTORY_BESIDE") if entry.who is None else printable(entry.who)
        self.command = printable(entry.command or "")
        self.lines = [lexicon("HISTORY_UNDOES", number=entry.undoes)] if entry.undoes else []
        if entry.enabled:
            self.lines.append(lexicon("SERVICE_RUNNING" if entry.enabled[1] else "SERVICE_STOPPED"))
        for name, before, after in entry.steps[:NAMED]:
            name = printable(name)
            if before and after:
                self.lines.append(lexicon("HISTORY_CHANGED", name=name, before=_told(visit, before),
                                          after=_told(visit, after)))
            elif after:
                self.lines.append(lexicon("HISTORY_ADDED", name=name, kind=_told(visit, after)))
            else:
                self.lines.append(lexicon("HISTORY_REMOVED", name=name, kind=_told(visit, before or {})))
        self.more = max(0, len(entry.steps) - NAMED)


def show(visit: "Visit") -> "bottle.HTTPResponse":
    """The last changes, or one of them, to confirm that it goes."""
    try:
        entries = change.look()
    except (EsmithError, OSError) as error:
        report(error)
        return visit.redirect("/", "ERR_SAVE")
    number = visit.fields.get("undo", "")
    if number:
        chosen = [entry for entry in entries if str(entry.number) == number]
        if not chosen:
            return visit.redirect("/history", "ERR_UNDO", number=number[:20])
        return visit.page("history", said=None, lines=[Line(chosen[0], visit)], undo=chosen[0].number)
    lines = [Line(entry, visit) for entry in entries[:-ENTRIES - 1:-1]]
    return visit.page("history", said=visit.said(), lines=lines, undo=None)


def take_back(visit: "Visit") -> "bottle.HTTPResponse":
    """Take the change back that was confirmed."""
    number = visit.fields.get("number", "")
    if not re.match("[0-9]{1,9}$", number):
        raise visit.error(400)
    try:
        # What goes was shown.
        return visit.change("/history", undo.edit(int(number)), lambda done: (
            "SUCCESS_UNDONE", {"number": number}), removing=None)
    except undo.Conflict as error:
        report(error)
        return visit.redirect("/history", "ERR_UNDO", number=number)


def _told(visit: "Visit", item: "dict[str, str]") -> str:
    """Return what a rule has, its kind in the reader's language."""
    kind = item.get("kind", "")
    return ", ".join([visit.lexicon(kind) if kind in ("HOST", "DOMAIN") else printable(kind),
                      *(printable(value) for key, value in item.items() if key != "kind")])
