"""What `mxbackup check` found last, as the panel shows it, and a check on demand."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from mxbackup.panel.lexicon import Lexicon

# State in the store -> class of the style sheet, entry of the lexicon.
STATES = {"good": ("good", "GOOD"), "fault": ("fault", "FAULT"), "unchecked": ("unknown", "UNKNOWN")}
SERVER = ""  # the server's own verdict in the store
SECONDS = 8  # for each domain: a browser waits
JOBS = 4


class Found:
    """The last verdict on a rule as a page shows it.

    `level` gives the colour, `word` (an entry) stands beside it, `reasons` tell what is wrong and what to do
    (pairs of str, in English), `when` (str) is the day and time in the reader's form.
    """

    def __init__(self, verdict: "Mapping[str, Any]", time_format: str) -> None:
        self.level, self.word = STATES.get(verdict.get("state", ""), STATES["unchecked"])
        self.reasons = [
            (finding.get("text", ""), finding.get("remedy", ""))
            for finding in verdict.get("findings", ()) if finding.get("level") in ("fault", "unchecked")
        ]
        checked = verdict.get("checked")
        self.when = time.strftime(time_format, time.localtime(checked)) if isinstance(checked, int) else ""


def load(lexicon: "Lexicon") -> "dict[str, Found]":
    """Return {name: Found} of the store, SERVER among the names; nothing where no check has run."""
    from mxbackup.check import store

    return {name: Found(verdict, lexicon("TIME_FORMAT")) for name, verdict in store.load().items()}


def check(names: "list[str]", seconds: float) -> bool:
    """Check the rules `names` for about `seconds`, as many as that allows; return whether all were checked.

    Raises EsmithError.
    """
    from mxbackup import check as checks

    end = time.monotonic() + seconds
    while names:
        rounds = int((end - time.monotonic()) / SECONDS) - 1  # one for the server itself
        if rounds < 1:
            return False
        checks.run(names[:rounds * JOBS], seconds=SECONDS, jobs=JOBS)
        names = names[rounds * JOBS:]
    return True
