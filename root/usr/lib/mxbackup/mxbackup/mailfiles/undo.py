"""Taking a change back: what was before it, by its entry in the journal, is again, unless it was changed since."""

from mxbackup.rules import extras, journal, record, state
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional

    from esmith.database import Database
    from mxbackup.rules.journal import Entry


class Conflict(WrongUse):
    """A change cannot be taken back, or there is none; the text says why. Nothing was changed."""


class Undone(record.Change):
    """What an undo did, as a record.Change; `entry` is the Entry that it took back, `undoes` its number.

    `enabled` is what the rules' status is now (bool), None where that did not change.
    """

    __slots__ = ("entry", "undoes", "enabled")

    def __init__(self, entry: "Entry") -> None:
        record.Change.__init__(self)
        self.entry = entry
        self.undoes = entry.number
        self.enabled: Optional[bool] = entry.enabled[0] if entry.enabled else None

    def __bool__(self) -> bool:
        return True


def edit(number: "Optional[int]") -> "Callable[[Database], Undone]":
    """Return what change.carry_out() calls to take back the entry `number`, the last one where None.

    It raises Conflict, with nothing changed.
    """
    def undo(db: "Database") -> Undone:
        entries = journal.entries()
        entry = _chosen(entries, number)
        _raise_conflict(entry, entries, state.load(db))
        undone = Undone(entry)
        for step in entry.steps:
            if step.before and state.rest(step.before) != state.rest(step.after or {}):
                extras.put(step.name, state.rest(step.before), db)
        record.restore({step.name: step.before for step in entry.steps}, undone.enabled, undone, db)
        return undone

    return undo


def _chosen(entries: "List[Entry]", number: "Optional[int]") -> "Entry":
    if not entries:
        raise Conflict("there is no change to take back: the journal is empty")
    if number is None:
        return entries[-1]
    first, last = entries[0].number, entries[-1].number
    if not first <= number <= last:
        raise Conflict(f"there is no change {number}: the journal has {first} to {last}; nothing was changed."
                       " 'mxbackup history' shows them")
    return next(entry for entry in entries if entry.number == number)


def _raise_conflict(entry: "Entry", entries: "List[Entry]", now: state.State) -> None:
    """Raise Conflict where something that `entry` did is not as it left it."""
    names = [step.name for step in entry.steps if now.item(step.name) != step.after]
    switched = bool(entry.enabled and entry.enabled[1] != now.enabled)
    if not names and not switched:
        return
    later = [other for other in entries if other.number > entry.number and (
        switched and other.enabled or any(step.name in names for step in other.steps))]
    # The newest first: the entry that has to be taken back before any other.
    last = later[-1]
    again = [step.name for step in last.steps if step.name in names]
    what = again[0] if again else "the status of MX Backup"
    more = f" (and {len(again) - 1} more)" if len(again) > 1 else ""
    if last.undoes == entry.number:
        raise Conflict(f"change {entry.number} was taken back already, by {last.number}; nothing was changed")
    raise Conflict(f"change {entry.number} cannot be taken back: {what}{more} was changed again by {last.number};"
                   f" nothing was changed. Take that back first: mxbackup undo {last.number}")
