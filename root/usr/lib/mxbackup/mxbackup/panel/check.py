"""The check: of one rule or of all, and what it found last."""

from urllib.parse import urlencode

from esmith.errors import EsmithError
from mxbackup.panel import verdicts
from mxbackup.panel.findings import Interpreter
from mxbackup.panel.rows import Row
from mxbackup.panel.visit import report
from mxbackup.rules import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.distributed import bottle
    from mxbackup.panel.visit import Visit

TIME = 45  # seconds for one press of a button: web servers give up after a minute or more
ROWS = 500  # verdicts a page


def show(visit: "Visit") -> "bottle.HTTPResponse":
    """The last verdict of one rule, or of each."""
    found = verdicts.load(visit.lexicon)
    names = [name for name in record.load().rules.kinds
             if name in found and visit.fields.get("name", name) == name][:ROWS]
    if verdicts.SERVER in found:
        names.append(verdicts.SERVER)
    rows = [Row(name, "", found[name]) for name in names]
    return visit.page("check", said=visit.said(), rows=rows, say=Interpreter(visit.lexicon))


def run(visit: "Visit") -> "bottle.HTTPResponse":
    """Check one rule, or all, as far as the time goes; the result is shown by the next page."""
    name = visit.fields.get("name", "")
    names = list(record.load().rules.kinds)
    if name:
        if name not in names:
            return visit.redirect("/", "ERR_GONE", name=name[:300])
        names = [name]
    try:
        in_time = verdicts.check(names, TIME)
    except (EsmithError, OSError) as error:
        report(error)
        return visit.redirect("/", "ERR_CHECK")
    path = "/check?" + urlencode({"name": name}) if name else "/check"
    return visit.redirect(path, None if in_time else "ERR_CHECK_STOPPED")
