"""The one door through which rules change: commands, panel and migration come through it.

A change is written, then the event brings the mail files up to date, then what is not as it should be is told.
"""

from esmith.database import Database
from mxbackup.mailfiles import outputs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, List, Optional


class Preview(Database):
    """The configuration database; what a transaction changes in it stays in memory."""

    def transaction(self) -> "ContextManager[Database]":
        return self.preview()


class Outcome:
    """What a change did: `done` as the edit returned it, true where it changed anything.

    `failure`: why the event failed, "" where it did not, None where there was none. `old`: list of outputs.State, the
    files that are not as they should be after a failure.
    """

    __slots__ = ("done", "failure", "old")

    def __init__(self, done: "Any", failure: "Optional[str]" = None) -> None:
        self.done = done
        self.failure = failure
        self.old: List[outputs.State] = []


def carry_out(
    edit: "Callable[[Database], Any]",
    db: "Optional[Database]" = None,
    signal: "Optional[Callable[[], str]]" = outputs.update,
) -> Outcome:
    """Change the record by `edit(db)` in one write, then signal one event; return an Outcome.

    `db`: the configuration Database, the host's where None. `signal()` has the files written and returns what went
    wrong, as outputs.update(); None where the files follow later. Raises what `edit` raises, with nothing changed.
    """
    outcome = Outcome(edit(Database() if db is None else db))
    # Before the files: the lines of a rule that has gone must not come back.
    if outcome.done and not isinstance(db, Preview):
        from esmith import lastlines

        lastlines.drop()
    if outcome.done and signal:
        outcome.failure = signal()
        if outcome.failure:
            outcome.old = [state for state in outputs.states(Database(readonly=True)) if state.reason]
    return outcome
