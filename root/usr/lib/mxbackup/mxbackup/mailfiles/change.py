"""The one door through which rules change: commands, panel and migration come through it.

A change is entered in the journal and written, then the event brings the mail files up to date, then what is not as
it should be is told.
"""

import os

from esmith.database import Database
from esmith.errors import DatabaseError, EsmithError
from esmith.paths import rooted
from mxbackup.mailfiles import outputs, own
from mxbackup.rules import extras, journal, record, state
from mxbackup.rules.journal import Entry, Journal
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, ContextManager, Dict, List, Optional

    from mxbackup.mailfiles.actor import Actor

# What removes more rules than this many is asked for once more.
HANDFUL = 5


class RemovesMuch(WrongUse):
    """A change would remove more than a handful of rules: `names`, a list of str. Nothing was changed."""

    def __init__(self, names: "List[str]") -> None:
        self.names = names
        self.what = f"this would remove {len(names)} rules ({', '.join(names[:3])}, ...)"
        WrongUse.__init__(
            self, f"{self.what}; nothing was changed. Where that is meant, say --yes; --dry-run shows what would be")


class OwnNames(WrongUse):
    """A change would make rules for names that this host delivers itself; nothing was changed."""


class HalfDone(EsmithError):
    """A change of the rules `names` (list of str) was written in part, the rest not, for `error` (DatabaseError)."""

    def __init__(self, error: DatabaseError, names: "List[str]") -> None:
        shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        EsmithError.__init__(
            self, f"{error}; a part of the change was written before: {shown}. 'mxbackup history' shows it. Then do"
            f" the change again, or take it back: mxbackup undo; and run: signal-event {outputs.EVENT}")


class Preview(Database):
    """The configuration database, and the `extras` beside it; what a transaction changes in them stays in memory."""

    def __init__(self, readonly: bool = False) -> None:
        Database.__init__(self, readonly=readonly)
        self.extras = Database(extras.NAME, lazy=True)
        # Never left: nothing may be written there at all.
        self.extras.preview().__enter__()

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
    actor: "Optional[Actor]" = None,
    removing: int = HANDFUL,
) -> Outcome:
    """Change the record by `edit(db)` in one write, then signal one event; return an Outcome.

    `db`: the configuration Database, the host's where None. `signal()` has the files written and returns what went
    wrong, as outputs.update(); None where the files follow later. `actor`: for the journal, that of this process
    where None. `removing`: so many rules may go. Raises what `edit` raises, RemovesMuch, and JournalError, with
    nothing changed.
    """
    return follow_up(write(edit, Database() if db is None else db, actor, removing), signal)


def write(
    edit: "Callable[[Database], Any]", db: Database, actor: "Optional[Actor]" = None, removing: int = HANDFUL,
) -> "Any":
    """Change the record by `edit(db)` in one write, with its entry in the journal; return what `edit` returns.

    The first half of carry_out(); a Preview has no journal. What `edit` changes in the extras (extras.put()) is one
    write as well, before that of the record; those of a rule that goes are removed after it, by this function.
    Raises HalfDone where one could be written and the other not.
    """
    if isinstance(db, Preview):
        kinds = record.load(db).rules.kinds
        done = edit(db)
        _refuse_own(kinds, db)
        return done
    with Journal() as book:
        beside = Database(extras.NAME, lazy=True)
        before: Optional[state.State] = None
        try:
            with db.transaction(), beside.transaction():
                db.extras = beside  # type: ignore[attr-defined]
                try:
                    book.look(db)
                    before = state.load(db)
                    kinds = record.load(db).rules.kinds
                    done = edit(db)
                    _refuse_own(kinds, db)
                    entry = _entry(before, state.load(db), actor, done)
                    gone = [step.name for step in entry.steps if not step.after]
                    if len(gone) > removing:
                        raise RemovesMuch(gone)
                    if entry:
                        book.intend(entry, state.digest(db))
                finally:
                    del db.extras  # type: ignore[attr-defined]
            if entry:
                book.settle()
            bare = [name for name in gone if name in before.extras]
            if bare:
                with beside.transaction():
                    for name in bare:
                        beside.delete(name)
        except DatabaseError as error:
            steps = before.steps_to(state.load(Database(readonly=True))) if before else []
            if steps:
                raise HalfDone(error, [step.name for step in steps]) from error
            raise
    if done:
        from esmith import lastlines

        # Before the files: the lines of a rule that has gone must not come back.
        lastlines.drop()
    return done


def follow_up(done: "Any", signal: "Optional[Callable[[], str]]" = outputs.update) -> Outcome:
    """Signal one event where anything was `done`; return an Outcome. The second half of carry_out()."""
    outcome = Outcome(done)
    if outcome.done and signal:
        outcome.failure = signal()
        if outcome.failure:
            outcome.old = [state for state in outputs.states(Database(readonly=True)) if state.reason]
    return outcome


def look() -> "List[Entry]":
    """Enter in the journal what was changed beside us, and return all its entries, oldest first.

    Raises DatabaseError and JournalError.
    """
    db = Database()
    if not os.path.exists(rooted(journal.PATH)) and not db.raw(record.KEY):
        # There is nothing to begin it with.
        return []
    with Journal() as book, db.transaction():
        book.look(db)
    return journal.entries()


def _refuse_own(before: "Dict[str, str]", db: Database) -> None:
    """Raise OwnNames where a rule of `db` that was not there `before` is for an own name; EsmithError."""
    new = [name for name, kind in record.load(db).rules.kinds.items() if before.get(name) != kind]
    mine = own.among(new, own.names(db)) if new else {}
    if mine:
        name, who = next(iter(mine.items()))
        more = f"; so it does {len(mine) - 1} more" if len(mine) > 1 else ""
        raise OwnNames(f"{name}: {own.REASON}{who}{more}; nothing was changed")


def _entry(before: state.State, after: state.State, actor: "Optional[Actor]", done: "Any") -> Entry:
    from mxbackup.mailfiles.actor import current

    if actor is None:
        actor = current()
    return journal.between(before, after, actor.who, actor.command, getattr(done, "undoes", None))
