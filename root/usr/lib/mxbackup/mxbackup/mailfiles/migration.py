"""The migration: static lists of the how-to's methods one and two, and the old contrib's record.

It runs in every event, so it is quick where there is nothing to do, and it may run again at any time. For
each list the rules are written, a copy is kept, and the list is taken away, in this order: whatever stops
it, no domain is lost.

What was accepted stays accepted: of a HOST and a DOMAIN of one name the DOMAIN counts, and where a fragment
that was in force goes, the rules are enabled. Nothing else becomes accepted by that: where disabled rules
would come into force with it, and where a list holds anything that is no rule, the list stays in place and
is reported.
"""

import os
import sys
from stat import S_ISREG

from esmith.database import Database
from esmith.errors import EsmithError, FormatError
from esmith.paths import rooted
from mxbackup import mailservers
from mxbackup.host import engine
from mxbackup.host.engine import CUSTOM, STANDARD
from mxbackup.mailfiles import kept
from mxbackup.mailservers import lines, obtuse, qmail, qpsmtpd
from mxbackup.mailservers.shape import Unreadable
from mxbackup.rules import record
from mxbackup.rules.rule import DOMAIN, HOST, format_list, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterator, List, Optional, Tuple

    from mxbackup.mailservers.shape import Kinds, Lines

    Take = Callable[[Database, str, bool], "Optional[Step]"]
    Numbered = List[Tuple[int, str]]

LIST = "/etc/MXBackupDomains"

# The mail files that a static fragment may be for.
OUTPUTS = (qmail.RCPTHOSTS, qpsmtpd.RCPTHOSTS, obtuse.CHECK_RULES, qmail.SMTPROUTES, qpsmtpd.GOODRCPTTO)

# The first line of what `mxbackup export --tar` makes.
HEADING = "# MX Backup: a static list made by 'mxbackup export --tar'; change it there.\n"

WAY_OUT = "mend it, or move it away and add its rules with 'mxbackup add'"

# What is larger is no list of rules.
SIZE_LIMIT = 1 << 26

_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789-.,"


def static(output: str) -> str:
    """Return the path (str) of the static fragment for the mail file `output`, as the how-to names it."""
    name = "61MXBackupDomains" if output == obtuse.CHECK_RULES else "20QandD"
    return f"{CUSTOM}{output}/{name}"


class Step:
    """What was done with one list or the record: `path` and `text` (str), `done` (bool) where it was taken over.

    `hides` (bool): it was not, and keeps the rules out of a mail file of this host.
    """

    __slots__ = ("path", "text", "done", "hides")

    def __init__(self, path: str, text: str, done: bool = True, hides: bool = False) -> None:
        self.path, self.text, self.done, self.hides = path, text, done, hides

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


def main() -> int:
    """Migrate as an action of an event, printing each Step; return 0, or 1 where one hides our rules."""
    status = 0
    try:
        for step in migrate(Database()):
            print(step, flush=True)
            status |= step.hides
    except (EsmithError, OSError) as error:
        sys.stderr.write(f"mxbackup-migrate: {error}\n")
        return 1
    return int(status)


def migrate(db: Database, dry_run: bool = False) -> "Iterator[Step]":
    """Take over what is there, yielding a Step for each thing; none where there is nothing to do.

    `db`: configuration; with `dry_run` no file is touched, and it is a Preview. Raises DatabaseError and OSError.
    """
    step = _normalise(db, dry_run)
    if step:
        yield step
    if not dry_run:
        _show_engine()
    for path, take in _lists():
        if os.path.lexists(rooted(path)):
            try:
                step = take(db, path, dry_run)
            except OSError as error:
                if not os.path.lexists(rooted(path)):
                    # Another migration was quicker.
                    continue
                step = Step(path, f"{error}; left in place", done=False, hides=True)
            if step:
                yield step


def _show_engine() -> None:
    """Have our engine see the mail files while the static fragments are still there.

    What it finds in a file for the first time, and in no fragment, it takes for written by hand and keeps.
    """
    for output in OUTPUTS:
        here = os.path.lexists(rooted(static(output))) and os.path.isfile(rooted(output))
        if here and engine.is_ours():
            try:
                engine.expand(output)
            except EsmithError:
                # The event expands it once more, and tells.
                pass


# The record.


def _normalise(db: Database, dry_run: bool) -> "Optional[Step]":
    """Bring the list of rules into the form that changes write; what is no rule stays as it is."""
    found = db.get(record.KEY)
    value = "" if found is None else found.get("name")
    if _is_normal(value):
        return None
    rules, ignored = record.parse(value)
    better = format_list(rules, ignored)
    if better == value:
        return None
    if not dry_run:
        kept.keep("/record", f"{record.KEY}={db.value(record.KEY)}\n".encode("utf-8", "surrogateescape"))
    try:
        with db.transaction():
            found = db.get(record.KEY)
            if found is None or found.get("name") != value:
                return None
            found.set("name", better)
    except FormatError:
        # An entry that no change can keep: each command says so, and how to take it out.
        return None
    return Step(
        "the record mxbackup",
        f"its list of rules was brought into normal form; {kept.FOLDER}/record has the old one",
    )


def _is_normal(value: str) -> bool:
    """Tell whether changes might have written `value` (str); where False, it takes a closer look."""
    try:
        if value.encode("ascii").translate(None, _PLAIN):
            return False
    except UnicodeError:
        return False
    parts = value.split(",") if value else []
    names = parts[::2]
    return (
        len(parts) % 2 == 0
        and len(set(names)) == len(names)
        and set(parts[1::2]) <= {"0", "1"}
        and ".," not in value
    )


# The lists.


def _lists() -> "Iterator[Tuple[str, Take]]":
    """Yield each list's path and what takes it over."""
    for file in mailservers.files():
        if file.read:
            yield static(file.path), _take_fragment(file.path, file.read)
    yield LIST, _take_list
    yield static(qmail.SMTPROUTES), _drop_follower
    yield static(qpsmtpd.GOODRCPTTO), _drop_follower


def _take_fragment(output: str, read: "Callable[[Lines], Kinds]") -> "Take":
    """Return what takes over the static fragment of the mail file `output`, which would hide ours of the same name.

    `read` is that of the MailFile.
    """

    def take(db: Database, path: str, dry_run: bool) -> "Optional[Step]":
        in_force = os.path.isdir(rooted(os.path.dirname(output)))
        try:
            data, found = _read(path)
            if data.startswith(b"{# jinja2"):
                # An administrator's own version of our fragment, not a list.
                return None
            if not data:
                return Step(path, "is empty, and turns the fragment of the same name off", done=False)
            told = _take(db, read(_lines(data, perl=True)), in_force)
            return _retire(path, data, found, told, dry_run)
        except Unreadable as error:
            text = f"{error}; left in place, it hides the fragment of the same name: {WAY_OUT}"
            return Step(path, text, done=False, hides=in_force)

    return take


def _take_list(db: Database, path: str, dry_run: bool) -> "Optional[Step]":
    """Take over the list of method one. Where a fragment reads it, it stays there, and is taken once."""
    try:
        data, found = _read(path)
        reader = _reader(path)
        if reader and kept.find(path, data)[1]:
            return None
        told = _take(db, _read_list(_lines(data)), False)
        if not reader:
            return _retire(path, data, found, told, dry_run)
        if not dry_run:
            kept.keep(path, data, found)
        return Step(path, f"{told}; it stays, for {reader} reads it")
    except Unreadable as error:
        return Step(path, f"{error}; left in place: {WAY_OUT}", done=False)


def _reader(path: str) -> str:
    """Return the path (str) of a template fragment that names the file `path`, or ""."""
    for folder in (CUSTOM, STANDARD):
        for place, _, names in os.walk(rooted(folder)):
            for name in names:
                fragment = os.path.join(place, name)
                if os.path.isfile(fragment):
                    with open(fragment, "rb") as stream:
                        if path.encode() in stream.read():
                            return folder + fragment[len(rooted(folder)):]
    return ""


def _drop_follower(db: Database, path: str, dry_run: bool) -> "Optional[Step]":
    """Take a static fragment of ours beside rcpthosts away, once the rules give all that it gives."""
    try:
        data, found = _read(path)
        if not data.startswith(HEADING.encode()):
            return None
        configuration = record.load(db)
        for number, line in _lines(data):
            name = line.strip(":@")
            kind = configuration.rules.kinds.get(name.lstrip("."))
            if not configuration.enabled or kind is None or (name.startswith(".") and kind != DOMAIN):
                raise Unreadable(f"line {number}: {printable(line)} is there without a rule that is in force")
        return _retire(path, data, found, "the rules give its lines now", dry_run)
    except Unreadable as error:
        return Step(path, f"{error}; left in place", done=False)


def _read(path: str) -> "Tuple[bytes, os.stat_result]":
    """Return (content, stat result) of the list at `path`.

    Raises FileNotFoundError, and Unreadable for what is no plain file or cannot be read.
    """
    try:
        fd = os.open(rooted(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb") as stream:
            found = os.fstat(fd)
            if not S_ISREG(found.st_mode) or found.st_size > SIZE_LIMIT:
                raise Unreadable("is no plain file of a list's size")
            return stream.read(), found
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(error.strerror) from None


def _lines(data: bytes, perl: bool = False) -> "Numbered":
    """Return the (number, line) pairs of `data` (bytes) that are neither blank nor comments.

    `perl`: the Perl engine runs what stands between braces, even in a comment. Raises Unreadable for that.
    """
    texts = data.decode("utf-8", "surrogateescape").split("\n")
    for number, line in enumerate(texts, 1):
        if perl and ("{" in line or "}" in line):
            raise Unreadable(f"line {number}: this is Perl code, not a list")
    return [
        (number, line) for number, line in enumerate(texts, 1) if line.strip() and not line.startswith("#")
    ]


def _read_list(numbered: "Lines") -> "Kinds":
    """Return the rules (dict name -> kind) of /etc/MXBackupDomains: a name a line, each a DOMAIN."""
    names: Dict[str, int] = {}
    for number, line in numbered:
        name = line.partition("#")[0].strip()
        if name:
            names.setdefault(lines.name(number, name), number)
    return lines.rules(names, names)


def _take(db: Database, kinds: "Kinds", in_force: bool) -> str:
    """Put the rules `kinds` (dict name -> kind) into the record and say so (str).

    `in_force`: they are accepted now, whatever the record's status. Raises Unreadable where that would
    bring disabled rules of the record into force.
    """
    configuration = record.load(db)
    old = configuration.rules.kinds
    from mxbackup.mailfiles import change, own  # not at the top: most events have nothing to take

    kinds, mine = own.parted(kinds, db)
    enabling = kinds and not configuration.enabled and (in_force or not _has_status(db))
    hidden = [name for name, kind in old.items() if kind == DOMAIN != kinds.get(name) or name not in kinds]
    if enabling and hidden:
        raise Unreadable(
            f"MX Backup is disabled, and its rule for {hidden[0]} would come into force with this list: run "
            "'mxbackup enable', or remove that rule"
        )
    try:
        new = [(name, kind) for name, kind in kinds.items() if old.get(name) != DOMAIN]
        # The event that this is a part of writes the files.
        done = change.carry_out(lambda db: record.add(new, db), db, signal=None).done
    except FormatError as error:
        raise Unreadable(str(error)) from None
    told = [f"rules: {len(kinds)}, new ones: {len(done.added)}", *[f"{n}: {own.REASON}{w}" for n, w in mine.items()]]
    wider = [rule.name for rule in done.changed]
    wider += [name for name, kind in kinds.items() if kind == HOST and old.get(name) == DOMAIN]
    told += [f"{name} is a HOST in one and a DOMAIN in the other: a DOMAIN now" for name in wider]
    if enabling and change.carry_out(record.enable, db, signal=None).done:
        told.append("MX Backup was disabled and is enabled now, for they were in force")
    return "; ".join(told)


def _has_status(db: Database) -> bool:
    found = db.get(record.KEY)
    return found is not None and bool(found.get("status"))


# What is replaced.


def _retire(path: str, data: bytes, found: os.stat_result, told: str, dry_run: bool) -> Step:
    """Keep the list and take it away."""
    if dry_run:
        return Step(path, f"{told}; it would be moved to {kept.FOLDER}{path}")
    name = kept.keep(path, data, found)
    now = os.stat(rooted(path), follow_symlinks=False)
    if (now.st_ino, now.st_mtime_ns, now.st_size) != (found.st_ino, found.st_mtime_ns, found.st_size):
        raise Unreadable("was changed while it was read; the next event takes it")
    os.unlink(rooted(path))
    return Step(path, f"{told}; moved to {name}")
