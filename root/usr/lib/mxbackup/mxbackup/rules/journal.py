"""The journal of the rules: each change, when, by whom, by which command, with all that was and is.

`/var/lib/mxbackup/journal` (0600) is a JSON object a line, oldest first. The first line is the `base`, the rules
before the first entry. An entry is on disk before its change is, as `"done":0`, and becomes `"done":1` once the
change is on disk too. Whatever stops the program in between, the next look compares the entry with the record: what
of it came true stays, the rest of it goes. What else the record has by then was changed beside us, by `db` or the
Perl panel, and gets an entry of its own, without a name.

The file is locked by its holder, who takes the record's lock after it, never before.
"""

import json
import os
import time

from esmith.database import WAYS_OUT
from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup.rules import state
from mxbackup.rules.state import State, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple, Type

    from esmith.database import Database
    from mxbackup.rules.state import Item

PATH = "/var/lib/mxbackup/journal"

# Once it is larger (octets), the older half of it goes.
LARGEST = 4 << 20
# How a line begins: whether it is done, and the digest of the record by then. Both are changed in place.
_HEAD = '{"done":%d,"record":"%s",'
_DONE = _HEAD.index("%d")
_DIGEST = _HEAD.index("%s") - 1


class JournalError(EsmithError):
    """The journal cannot be read or written; no rule was changed."""


class Entry:
    """One change: `number`, `at` (str, ISO 8601, UTC), `who` and `command` (str, None for a change beside us).

    `steps`: list of Step. `enabled`: (before, after), None where that did not change. `undoes`: the number of the
    entry that it takes back, or None.
    """

    __slots__ = ("number", "at", "who", "command", "steps", "enabled", "undoes")

    def __init__(
        self, who: "Optional[str]", command: "Optional[str]", steps: "List[Step]",
        enabled: "Optional[Tuple[bool, bool]]", undoes: "Optional[int]" = None, number: int = 0, at: str = "",
    ) -> None:
        self.who, self.command, self.steps, self.enabled, self.undoes = who, command, steps, enabled, undoes
        self.number = number
        self.at = at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def __bool__(self) -> bool:
        return bool(self.steps or self.enabled)

    def lead(self, found: State) -> None:
        """Let the State `found` be what it is after this change."""
        for name, _, after in self.steps:
            found.put(name, after)
        if self.enabled:
            found.enabled = self.enabled[1]

    def as_far_as(self, now: State) -> "Entry":
        """Return the Entry of that part of this change which is to be seen in the State `now`."""
        seen = [_seen(step, now.item(step.name)) for step in self.steps]
        steps = [step for step in seen if step.before != step.after]
        enabled = self.enabled if self.enabled and self.enabled[1] == now.enabled else None
        return Entry(self.who, self.command, steps, enabled, self.undoes, self.number, self.at)

    def as_object(self) -> "Dict[str, Any]":
        """Return it for JSON: what was added, changed and removed, as lists of objects with a `name`."""
        found: Dict[str, Any] = {"number": self.number, "at": self.at, "who": self.who, "command": self.command}
        if self.undoes is not None:
            found["undoes"] = self.undoes
        if self.enabled:
            found["enabled"] = {"before": self.enabled[0], "after": self.enabled[1]}
        added, changed, removed = [], [], []
        for name, before, after in self.steps:
            if before and after:
                changed.append({"name": name, "before": before, "after": after})
            elif after:
                added.append(dict({"name": name}, **after))
            elif before:
                removed.append(dict({"name": name}, **before))
        found.update(added=added, changed=changed, removed=removed)
        return found


def between(
    before: State, after: State, who: "Optional[str]" = None, command: "Optional[str]" = None,
    undoes: "Optional[int]" = None,
) -> Entry:
    """Return the Entry for what leads from `before` to `after`, of this moment."""
    enabled = None if before.enabled == after.enabled else (before.enabled, after.enabled)
    return Entry(who, command, before.steps_to(after), enabled, undoes)


def entries() -> "List[Entry]":
    """Return the entries, oldest first, as they are in the file: Journal.look() comes before. Raises JournalError."""
    try:
        with open(rooted(PATH), "rb") as stream:
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _failure("cannot be read", error) from error
    return [_entry(line, number) for number, line in enumerate(lines[1:], 2)]


class Journal:
    """The journal, locked while in a `with`: first look(), then intend(), then the change, then settle().

    Raises JournalError where it cannot be read or written, and each method does.
    """

    def __init__(self) -> None:
        self._path = rooted(PATH)
        self._lines: List[bytes] = []
        self._size = 0

    def __enter__(self) -> "Journal":
        from esmith import atomicfile
        from esmith.locking import Lock

        try:
            os.makedirs(os.path.dirname(self._path), 0o755, exist_ok=True)
            self._lock = Lock(self._path)
            atomicfile.clean(self._path)
        except OSError as error:
            raise _failure("cannot be locked", error) from error
        try:
            self._open()
        except OSError as error:
            self._lock.release()
            raise _failure("cannot be read", error) from error
        return self

    def __exit__(
        self, _kind: "Optional[Type[BaseException]]", _value: object, _traceback: object,
    ) -> None:
        os.close(self._fd)
        self._lock.release()

    def look(self, db: "Database") -> None:
        """Let the journal agree with the record in `db`, the configuration Database, locked by the caller.

        A change that was stopped half-way is settled; one that was made beside us gets its entry.
        """
        digest = state.digest(db)
        try:
            if not self._lines:
                self._append({"number": 0, "base": state.load(db).as_object()}, digest, 1)
            elif not self._lines[-1].startswith((_HEAD % (1, digest)).encode()):
                self._compare(state.load(db), digest)
        except OSError as error:
            raise _failure("cannot be written", error) from error

    def intend(self, entry: Entry, digest: str) -> None:
        """Put `entry` on disk, whose change is about to be made; `digest`: state.digest() once it is."""
        try:
            if self._size > LARGEST:
                self._shorten()
            self._add(entry, digest, 0)
        except OSError as error:
            raise _failure("cannot be written", error) from error

    def settle(self) -> None:
        """Take note that the change that was intended is on disk."""
        try:
            self._mark(b"1", _DONE)
        except OSError:
            # The next look finds it out.
            pass

    def _open(self) -> None:
        """Read the file, and cut off what a killed writer left of a line."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(self._path, "rb") as stream:
                data = stream.read()
            self._size = data.rfind(b"\n") + 1
            if self._size < len(data):
                os.ftruncate(self._fd, self._size)
        except BaseException:
            os.close(self._fd)
            raise
        self._lines = data[:self._size].splitlines(True)

    def _compare(self, current: State, digest: str) -> None:
        """Settle the last entry by what is there, and enter what was changed beside us."""
        then = _base(self._lines[0])
        made = [_entry(line, number) for number, line in enumerate(self._lines[1:], 2)]
        pending = made.pop() if made and self._lines[-1][_DONE:_DONE + 1] == b"0" else None
        for entry in made:
            entry.lead(then)
        if pending:
            came_true = pending.as_far_as(current)
            if came_true.as_object() != pending.as_object():
                self._drop()
                if came_true:
                    self._add(came_true, digest, 1)
            else:
                self._mark(b"1", _DONE)
            came_true.lead(then)
        beside = between(then, current)
        if beside:
            self._add(beside, digest, 1)
        else:
            # The same rules, written otherwise, or as they were before an entry that came to nothing.
            self._mark(digest.encode(), _DIGEST)

    def _add(self, entry: Entry, digest: str, done: int) -> None:
        entry.number = _object(self._lines[-1], len(self._lines))["number"] + 1
        self._append(entry.as_object(), digest, done)

    def _append(self, found: "Dict[str, Any]", digest: str, done: int) -> None:
        """Put a line on disk, whole or not at all."""
        line = _line(found, digest, done)
        try:
            written = 0
            while written < len(line):
                written += os.pwrite(self._fd, line[written:], self._size + written)
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._lines.append(line)
        self._size += len(line)

    def _drop(self) -> None:
        """Take the last line away."""
        self._size -= len(self._lines.pop())
        os.ftruncate(self._fd, self._size)

    def _mark(self, octets: bytes, place: int) -> None:
        """Change `octets` in the last line, `place` octets from its beginning."""
        line = self._lines[-1]
        self._lines[-1] = line[:place] + octets + line[place + len(octets):]
        os.pwrite(self._fd, octets, self._size - len(line) + place)

    def _shorten(self) -> None:
        """Drop the oldest entries, down to half of what the journal may hold."""
        from esmith import atomicfile

        kept = 0
        first = len(self._lines)
        while first > 1 and kept + len(self._lines[first - 1]) < LARGEST // 2:
            first -= 1
            kept += len(self._lines[first])
        base = _base(self._lines[0])
        number = _object(self._lines[0], 1)["number"]
        for index in range(1, first):
            entry = _entry(self._lines[index], index + 1)
            entry.lead(base)
            number = entry.number
        # The digest of the last line alone is looked at.
        digest = self._lines[-1][_DIGEST:_DIGEST + 64].decode()
        head = _line({"number": number, "base": base.as_object()}, digest, 1)
        atomicfile.replace(self._path, b"".join([head, *self._lines[first:]]), mode=0o600)
        os.close(self._fd)
        self._open()


def _seen(step: Step, now: "Item") -> Step:
    """Return that part of `step` which is to be seen in what its name has `now`."""
    if now == step.after:
        return step
    after = step.before
    if step.before and step.after and now:
        # The record and what stands beside it are two files: one of them may be written.
        keys = dict(step.before, **step.after)
        item = {key: (step.after if now.get(key) == step.after.get(key) else step.before).get(key) for key in keys}
        after = {key: value for key, value in item.items() if value is not None}
    return step._replace(after=after)


def _line(found: "Dict[str, Any]", digest: str, done: int) -> bytes:
    return (_HEAD % (done, digest) + json.dumps(found, separators=(",", ":"))[1:] + "\n").encode("ascii")


def _object(line: bytes, number: int) -> "Dict[str, Any]":
    try:
        found = json.loads(line.decode("ascii"))
        if isinstance(found, dict) and isinstance(found["number"], int):
            return found
    except (ValueError, KeyError, RecursionError):
        pass
    raise _damaged(number)


def _base(line: bytes) -> State:
    try:
        return state.from_object(_object(line, 1)["base"])
    except (KeyError, TypeError):
        raise _damaged(1) from None


def _entry(line: bytes, number: int) -> Entry:
    """Return the Entry that `line`, the line `number` of the file, holds."""
    found = _object(line, number)
    try:
        steps = [Step(rule.pop("name"), None, rule) for rule in found["added"]]
        steps += [Step(rule["name"], rule["before"], rule["after"]) for rule in found["changed"]]
        steps += [Step(rule.pop("name"), rule, None) for rule in found["removed"]]
        status = found.get("enabled")
        enabled = (status["before"], status["after"]) if status else None
        return Entry(
            found["who"], found["command"], steps, enabled, found.get("undoes"), found["number"], found["at"])
    except (KeyError, TypeError, AttributeError):
        raise _damaged(number) from None


def _damaged(number: int) -> JournalError:
    return JournalError(
        f"{PATH} line {number} is no entry of the journal; nothing was changed. Move it away, and the next change"
        f" begins a new one: mv {PATH} {PATH}.damaged"
    )


def _failure(what: str, error: OSError) -> JournalError:
    way_out = WAYS_OUT.get(error.errno or 0, "")
    return JournalError(f"{PATH} {what}: {error.strerror or error}{way_out}; nothing was changed")
