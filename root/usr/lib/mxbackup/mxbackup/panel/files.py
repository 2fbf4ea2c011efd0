"""The mail files: what the rules put into each, and the button that writes them."""

from mxbackup.panel import mailfiles
from mxbackup.rules import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.distributed import bottle
    from mxbackup.panel.visit import Visit

LINES = 2000  # of a file


def show(visit: "Visit") -> "bottle.HTTPResponse":
    """The lines that each mail file of this host gets from the rules, enabled or not; which are old."""
    configuration = record.load()
    files = mailfiles.with_all_rules(configuration)
    for file in files:
        beyond = len(file.lines) - LINES
        if beyond > 0:
            file.lines[LINES:] = [visit.lexicon("MORE", count=beyond)]
        elif not file.text:
            file.lines = [visit.lexicon("NO_LINE")]
    return visit.page("files", said=visit.said(), configuration=configuration, files=files)


def update(visit: "Visit") -> "bottle.HTTPResponse":
    """Write the mail files, as after a change: for when that failed, or somebody else changed a file."""
    return visit.update("/files")
