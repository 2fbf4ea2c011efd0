"""qmail's second list: `morercpthosts`, compiled to `morercpthosts.cdb`, for names beyond the first fifty.

A name leaves `rcpthosts` only when it is in the compiled list, as that is on disk at that moment, and it
leaves the compiled list only when `rcpthosts` has it or no rule wants it: so there is no moment in which a
name is in neither, whoever expands `rcpthosts` and wherever an update is cut off. The administrator's lines
stay. qpsmtpd looks up only the exact name in the compiled list, so `.suffix` entries never go there.
"""

import os

from esmith import locking, plainfile
from esmith.paths import rooted
from mxbackup.mailservers import cdb, shape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Collection, FrozenSet, Iterator, List, Optional, Tuple

    from mxbackup.mailservers.shape import Kinds, Say, Wanted

    Choose = Callable[[List[str]], List[str]]

CONTROL = "/var/qmail/control"
LIST = CONTROL + "/morercpthosts"
COMPILED = CONTROL + "/morercpthosts.cdb"
RCPTHOSTS = CONTROL + "/rcpthosts"
# Where one of these is, it is read by another server than qmail's, from the same fragment, and has to be whole.
OTHER_RCPTHOSTS = tuple(f"/var/service/{program}/config/rcpthosts" for program in ("qpsmtpd", "sqpsmtpd", "uqpsmtpd"))
# Signs of a qpsmtpd: it may read qmail's lists, the compiled one only with Perl's CDB_File.
QPSMTPD = ("/var/service/qpsmtpd", "/usr/bin/qpsmtpd", "/usr/bin/qpsmtpd-forkserver")
# One update at a time, by a lock that nobody else can open.
LOCK = "/var/lib/mxbackup/morercpthosts.lock"

# qmail-smtpd reads rcpthosts from the first line to the last for every recipient: rcpthosts(5) advises fifty.
FIRST = 50

BEGIN = b"# MX Backup's names, until its end line: what is changed between them is lost."
END = b"# End of MX Backup's names."

# What the compiled list held when it was read last, and whether Perl reads it; None before the first time.
_read: "Tuple[Optional[Tuple[int, ...]], FrozenSet[str]]" = (None, frozenset())
_perl_reads: "Optional[bool]" = None


def beyond(kinds: "Kinds") -> "List[str]":
    """Return the names (list of str) beyond the first fifty of `kinds` (dict name -> kind, in order)."""
    return list(kinds)[FIRST:] if len(kinds) > FIRST else []


def compiled_names(kinds: "Kinds") -> "FrozenSet[str]":
    """Return the names that `rcpthosts` may leave out: they are in the compiled list now.

    `kinds`: dict name -> kind, in output order.
    """
    names = beyond(kinds)
    if not names or is_shared():
        return frozenset()
    return compiled().intersection(names)


def is_shared() -> bool:
    """Tell whether a server that cannot read the compiled list needs the same names (bool).

    Then all of them stay in `rcpthosts`.
    """
    global _perl_reads
    if any(os.path.isfile(rooted(path)) for path in OTHER_RCPTHOSTS):
        return True
    if not any(os.path.exists(rooted(sign)) for sign in QPSMTPD):
        return False
    if _perl_reads is None:
        import subprocess
        try:
            _perl_reads = not subprocess.call(["perl", "-MCDB_File", "-e", "0"], stdin=subprocess.DEVNULL,
                                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:
            _perl_reads = False
    return not _perl_reads


def compiled() -> "FrozenSet[str]":
    """Return the names (frozenset of str) in the compiled list; none where it is missing or damaged."""
    global _read
    try:
        opened = plainfile.descriptor(rooted(COMPILED))
        try:
            found = os.fstat(opened)
            identity = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
            if _read[0] != identity:
                _read = (identity, cdb.keys(plainfile.contents(opened)))
        finally:
            os.close(opened)
    except (OSError, ValueError):
        return frozenset()
    return _read[1]


class Update(shape.Update):
    """One update of the lists around an expansion of `rcpthosts`, one at a time on this host: qmail's hook `update`.

    Entering adds to the compiled list what `rcpthosts` may then leave out; leaving takes out what it need not
    hold any more. `well` is False where a list could not be written: then it, or `rcpthosts`, still holds each name.
    """

    def __init__(self, wanted: "Wanted", say: "Say") -> None:
        self._kinds = kinds = wanted.in_force
        self._say = say
        self._wanted = [] if is_shared() else beyond(kinds)
        self._held: Optional[locking.Held] = None

    def __enter__(self) -> "Update":
        if self._wanted or os.path.lexists(rooted(LIST)):
            try:
                self._held = locking.Held(rooted(LOCK))
            except OSError as error:
                self._fail(error)
                return self
            if self._wanted and os.path.isdir(rooted(CONTROL)):
                self._try(self._superset)
        return self

    def __exit__(self, *error: object) -> None:
        if self._held is not None:
            if error[0] is None:
                self._try(self._needed)
            self._held.release()

    def _try(self, choose: "Choose") -> None:
        try:
            _write(choose, self._kinds)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.well = False
        self._say(f"ERROR: {error.filename or COMPILED}: {error.strerror or error}")

    def _superset(self, ours: "List[str]") -> "List[str]":
        """Return `ours` and what `rcpthosts` is to leave out from now on."""
        return list(dict.fromkeys(ours + self._wanted))

    def _needed(self, ours: "List[str]") -> "List[str]":
        """Return those of `ours` that must stay: names of rules that `rcpthosts` does not have."""
        wanted = set(self._wanted)
        doubtful = {name for name in ours if name in self._kinds and name not in wanted}
        if doubtful:
            try:
                doubtful.difference_update(map(_name, plainfile.content(rooted(RCPTHOSTS)).split(b"\n")))
            except OSError:
                pass
        return [name for name in ours if name in wanted or name in doubtful]


def ours() -> "List[str]":
    """Return the names that updates put into the list; raises OSError."""
    return _read_list()[1]


def pending(wanted: "Wanted") -> "Iterator[Tuple[str, str]]":
    """Yield (path, sentence) for the second list where it holds, or is to hold, names of ours: the hook `pending`."""
    held = ours()
    more = set(held).difference(wanted.in_force)
    here = os.path.isdir(rooted(CONTROL)) and not is_shared()
    later = set(beyond(wanted.in_force)).difference(compiled()) if here else ()
    if more:
        yield LIST, f"holds {_number(more)} of rules that are gone"
    elif later:
        yield LIST, f"is to get {_number(later)} beyond the first {FIRST}, compiled"
    elif held:
        yield LIST, ""


def _name(line: bytes) -> str:
    """Return the name (str) in a `line` (bytes) as qmail-newmrh(8) reads it, "" where there is none."""
    if line.startswith(b"#"):
        return ""
    return line.rstrip(b" \t\n").lower().decode("utf-8", "surrogateescape")


def _read_list() -> "Tuple[List[bytes], List[str], bool]":
    """Return (administrator's lines as bytes, our names as str, whether our marks are there)."""
    try:
        lines = plainfile.content(rooted(LIST)).split(b"\n")
    except FileNotFoundError:
        lines = [b""]
    if not lines[-1]:
        lines.pop()
    if BEGIN not in lines:
        return lines, [], False
    begin = lines.index(BEGIN)
    end = lines.index(END, begin) if END in lines[begin:] else len(lines)
    ours = b"\n".join(lines[begin + 1:end]).decode("utf-8", "surrogateescape").split("\n")
    return lines[:begin] + lines[end + 1:], [name for name in ours if name], True


def _number(names: "Collection[str]") -> str:
    return "1 name" if len(names) == 1 else f"{len(names)} names"


def _write(choose: "Choose", kinds: "Kinds") -> None:
    """Make both lists hold the administrator's names and `choose(ours)`; `ours` (list of str) are ours now.

    `kinds`: the rules, as for Update. Raises OSError: each list is as it was, or as it is to be.
    """
    theirs, ours, marked = _read_list()
    chosen = choose(ours)
    if not (chosen or marked):
        return
    present = compiled()
    if not marked:
        # What was compiled before we came was accepted, so it stays even where the list has lost it. A rule's
        # name goes with its rule: it is ours, and somebody took our marks away.
        lost = present.difference(map(_name, theirs), chosen)
        chosen += sorted(lost.intersection(kinds))
        theirs += [name.encode("utf-8", "surrogateescape") for name in sorted(lost.difference(kinds))]
    names = {name for name in map(_name, theirs) if name}.union(chosen)
    if chosen != ours or not marked:
        # Marked until the compiled list is right: a name of ours is never taken for the administrator's.
        lines = [name.encode("utf-8", "surrogateescape") for name in chosen]
        _write_list([*theirs, BEGIN, *lines, END])
    if names and names != present:
        _replace(rooted(COMPILED), cdb.make(names))
    if not chosen:
        if not names and os.path.exists(rooted(COMPILED)):
            os.unlink(rooted(COMPILED))
            # Without our marks a name of ours that came back would be the administrator's.
            plainfile.sync_folder(rooted(CONTROL))
        _write_list(theirs)


def _write_list(lines: "List[bytes]") -> None:
    if lines:
        _replace(rooted(LIST), b"".join(line + b"\n" for line in lines))
    else:
        os.unlink(rooted(LIST))
        plainfile.sync_folder(rooted(CONTROL))


def _replace(path: str, data: bytes) -> None:
    from esmith.atomicfile import replace
    replace(path, data, mode=None if os.path.exists(path) else 0o644)
