"""The configuration databases: text files of `key=type|property|value|…` lines, shared with Perl's engine.

    db = Database()                      # configuration; Database("domains"), Database("/a/path")
    record = db.get("mxbackup")          # None where there is none; db["mxbackup"] raises NoRecordError
    record.type, record.props, record.get("status", "disabled")
    record.merge({"status": "enabled", "access": "public"})
    with db.transaction():               # one lock, one read, one write
        db.set("smithnet.com", "domain", {"Content": "Primary"})
        db.delete("old.org")

Text is str, decoded from the file's bytes as UTF-8 with surrogateescape: any bytes pass through unchanged.
Keys lose the white space around them, and so does a whole value when it is stored, as in the Perl engine.
"""

import os
from _operator import itemgetter
from errno import EACCES, EDQUOT, ENOENT, ENOSPC, EPERM, EROFS
from stat import S_ISREG

from esmith import paths
from esmith.errors import DatabaseError, NoRecordError, RecordExistsError
from esmith.records import (
    NO_VALUE,
    SPACE,
    check_field,
    check_key,
    check_props,
    decode,
    edited,
    encode,
    find,
    join_value,
    merged,
    parse,
    quoted,
    split_value,
    store,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, ContextManager, Dict, Iterator, List, Mapping, Optional, Tuple, Type

    from esmith.locking import Lock
    from esmith.records import Raw

    # Gives a key its new value, where None is none, from the old one and whether it is done again.
    Change = Callable[[Optional[Raw], bool], Optional[Raw]]
    # What was there, what is.
    Changed = Tuple[Optional[Raw], Optional[Raw]]
    Values = Dict[bytes, Optional[Raw]]
    Token = Tuple[int, int, int, int]

_HEADER = (
    b"# Kept by the e-smith engine: change it with /sbin/e-smith/db, an edit by hand may be lost.\n"
    b"# updated: %b\n"
)
# From as many changes on, a table of all records is quicker than a search for each.
_FEW = 20
WAYS_OUT = {
    EACCES: "; run it as root",
    EPERM: "; run it as root, and see lsattr(1)",
    ENOENT: "; make its folder, or set DBPATH",
    ENOSPC: "; make room on its disk",
    EDQUOT: "; make room in the quota",
    EROFS: "; mount its disk for writing",
}


class Record:
    """One record of a database, as it was when it was looked up; its changes are written at once.

    `key` and `type` are str, `props` is a dict of str in byte order of the names. Within a transaction of its
    database, changes are written when the transaction ends.
    """

    def __init__(self, database: "Database", key: str, raw: bytes) -> None:
        self._database = database
        self.key = key
        type_, props = split_value(raw)
        self.type = decode(type_)
        self.props = {decode(prop): decode(props[prop] or b"") for prop in sorted(props)}

    def __repr__(self) -> str:
        return f"<{self._database.name} {self.key}: {self.type} {self.props}>"

    def get(self, prop: str, default: str = "") -> str:
        """The value (str) of the property `prop`, or `default`."""
        return self.props.get(prop, default)

    def set(self, prop: str, value: str) -> None:
        """Set the property `prop` to `value` (str). Raises FormatError, DatabaseError."""
        self.merge({prop: value})

    def merge(self, props: "Mapping[str, str]") -> None:
        """Set the properties `props` (dict of str) in one write. Raises FormatError, DatabaseError.

        A record that somebody deleted meanwhile stays deleted, as in the Perl engine.
        """
        self._refresh(self._database.merge(self.key, props))

    def delete(self, *props: str) -> None:
        """Delete the properties named; one that is not there is no error."""
        self._refresh(self._database.delete_props(self.key, *props))

    def _refresh(self, record: "Optional[Record]") -> None:
        if record is not None:
            self.type, self.props = record.type, record.props


class Database:
    """A database by name (`domains`) or absolute path; see the module for its use.

    `readonly`: changes raise DatabaseError. `create`: the file is made where there is none. Without it,
    a missing file reads as an empty database, and the first change makes it. `lazy`: the file is read when
    something is looked up, not now.
    Raises DatabaseError where the file cannot be read.
    """

    def __init__(
        self, name: str = "configuration", readonly: bool = False, create: bool = False, lazy: bool = False
    ) -> None:
        self.name = name
        # As the user and the log know it; `path` is where it really is.
        self.label = paths.database(name)
        self.path = paths.given(self.label)
        self.readonly = readonly
        self._pending: Optional[List[Tuple[bytes, Change]]] = None
        self._lines: Optional[bytes] = None
        self._table: Optional[Dict[bytes, Raw]] = None
        if create and not os.path.exists(self.path):
            self._write([], create=True)
        if not lazy:
            self.reload()

    # Reading.

    def reload(self) -> None:
        """Read the file again: what others changed since then is seen. Raises DatabaseError."""
        self._loaded()

    def raw(self, key: str) -> "Optional[bytes]":
        """The raw value (bytes, as stored) of `key` (str), or None: what to look at without parsing it."""
        stored = encode(key).strip(SPACE)
        if self._table is not None:
            raw = self._table.get(stored)
        else:
            raw = find(self._loaded() if self._lines is None else self._lines, stored)
        return None if raw is NO_VALUE else raw

    def get(self, key: str) -> "Optional[Record]":
        """The Record of `key` (str), or None."""
        raw = self.raw(key)
        return None if raw is None else Record(self, decode(encode(key).strip(SPACE)), raw)

    def __getitem__(self, key: str) -> Record:
        record = self.get(key)
        if record is None:
            raise NoRecordError(f"{self.label} has no record {quoted(key)}")
        return record

    def __contains__(self, key: str) -> bool:
        return self.raw(key) is not None

    def __len__(self) -> int:
        return len(self._reachable())

    def __iter__(self) -> "Iterator[str]":
        return iter([decode(key) for key, _raw in self._reachable()])

    def records(self, type: "Optional[str]" = None) -> "Iterator[Record]":
        """The Records in byte order of their keys, all or those of one type (str). A generator."""
        wanted = None if type is None else encode(type)
        for key, raw in self._reachable():
            if wanted is None or split_value(raw)[0] == wanted:
                yield Record(self, decode(key), raw)

    def _reachable(self) -> "List[Tuple[bytes, bytes]]":
        """[(key, raw value)] of the records that can be looked up, in byte order of the keys."""
        items = self.table().items()
        return sorted((k, raw) for k, raw in items if raw is not NO_VALUE and k == k.strip(SPACE))

    def value(self, key: str) -> str:
        """What a Perl fragment's `$key` gives: the record's raw value (str), "" where there is none."""
        raw = self.raw(key)
        return "" if raw is None else decode(raw.replace(b"\\n", b"\n"))

    def table(self) -> "Dict[bytes, Raw]":
        """The raw values by key (bytes both, as stored); not for changing."""
        if self._table is None:
            self._table = parse(self._loaded() if self._lines is None else self._lines)
        return self._table

    def raw_items(self) -> "List[Tuple[bytes, bytes]]":
        """[(key, raw value)] (bytes both, as stored) of all lines in byte order of the keys.

        A line without a value has b"". So has a key with white space around it: looking it up finds the
        key without.
        """
        table = self.table()
        items = []
        for key, raw in sorted(table.items(), key=itemgetter(0)):
            bare = key.strip(SPACE)
            if bare != key:
                raw = table.get(bare, b"")
            items.append((key, b"" if raw is NO_VALUE else raw))
        return items

    # Changing.

    def create(self, key: str, type: str, props: "Optional[Mapping[str, str]]" = None) -> Record:
        """Add a record and return it. Raises RecordExistsError where `key` has one; FormatError."""
        stored, value = _checked(key, type, props)

        def change(old: "Optional[Raw]", again: bool) -> bytes:
            if not (old is None or old is NO_VALUE or (again and old == value)):
                raise RecordExistsError(f"{self.label} has a record {quoted(key)} already")
            return value

        self._change(stored, change)
        return Record(self, decode(stored), value)

    def set(self, key: str, type: str, props: "Optional[Mapping[str, str]]" = None) -> Record:
        """Make `key` a record of this type (str) with these properties (dict of str) alone, and return it."""
        stored, value = _checked(key, type, props)
        self._change(stored, lambda old, again: value)
        return Record(self, decode(stored), value)

    def set_default(self, key: str, type: str, props: "Optional[Mapping[str, str]]" = None) -> Record:
        """As set(), but a record that is there stays as it is; returns the record."""
        stored, value = _checked(key, type, props)
        old = self._change(stored, lambda old, again: value if old in (None, NO_VALUE) else old)[0]
        return Record(self, decode(stored), value if old is None or old is NO_VALUE else old)

    def set_type(self, key: str, type: str) -> "Optional[Record]":
        """Change the type (str) of a record; the record, None where there is none."""
        stored, new = check_key(key), check_field(key, "type", type)
        changed = self._change_record(stored, lambda old: join_value(new, split_value(old)[1]))
        return self._record(stored, changed)

    def merge(self, key: str, props: "Mapping[str, str]") -> "Optional[Record]":
        """Set properties (dict of str) of a record in one write; the record, None where there is none."""
        stored, new = check_key(key), check_props(key, props)
        return self._record(stored, self._change_record(stored, lambda old: merged(old, new)))

    def delete_props(self, key: str, *props: str) -> "Optional[Record]":
        """Delete properties (str) of a record; the record, None where there is none."""
        stored = encode(key).strip(SPACE)
        gone = set(map(encode, props))

        def change(old: bytes) -> bytes:
            type_, properties = split_value(old)
            return join_value(type_, {p: v for p, v in properties.items() if p not in gone})

        return self._record(stored, self._change_record(stored, change))

    def delete(self, key: str) -> bool:
        """Delete a record; whether there was one (bool)."""
        old = self._change(encode(key).strip(SPACE), lambda old, again: old if old is NO_VALUE else None)[0]
        return old not in (None, NO_VALUE)

    def transaction(self) -> "ContextManager[Database]":
        """A context manager: the changes within are one locked write when it ends, none after an exception.

        The file is read again, under the lock, when it begins; the lock is held until it ends.
        """
        return _Transaction(self)

    def joined(self) -> "ContextManager[Database]":
        """As transaction(); where one is under way already, what is within becomes a part of that."""
        return self.transaction() if self._pending is None else _Joined(self)

    def preview(self) -> "ContextManager[Database]":
        """A context manager: the changes within are made in memory alone; `reload()` forgets them."""
        return _Preview(self)

    def own(self) -> None:
        """Give the file to root and the group admin, where this user may and that group exists."""
        _mode, uid, gid = _ownership(self.path)
        if uid is None or gid is None:
            return
        try:
            os.chown(self.path, uid, gid)
        except OSError as error:
            raise self._failure("cannot be given to root:admin", error) from error

    def _record(self, stored: bytes, raw: "Optional[bytes]") -> "Optional[Record]":
        return None if raw is None else Record(self, decode(stored), raw)

    def _change_record(self, stored: bytes, change: "Callable[[bytes], bytes]") -> "Optional[bytes]":
        """Apply `change(raw value)` to a record; the raw value then, None where there is no record."""
        def change_if_there(old: "Optional[Raw]", again: bool) -> "Optional[Raw]":
            return old if old is None or old is NO_VALUE else change(old)

        new = self._change(stored, change_if_there)[1]
        return None if new is NO_VALUE else new

    def _change(self, stored: bytes, change: "Change") -> "Changed":
        """Apply `change(raw value, NO_VALUE or None; whether it is done again)`; what was there, what is."""
        if self.readonly:
            raise DatabaseError(f"{self.label} was opened for reading only")
        if self._pending is None:
            return self._write([(stored, change)])[0]
        table = self.table()
        old = table.get(stored)
        new = change(old, False)
        store(table, stored, new)
        self._pending.append((stored, change))
        return old, new

    def _write(
        self, changes: "List[Tuple[bytes, Change]]", create: bool = False, lock: "Optional[Lock]" = None
    ) -> "List[Changed]":
        """Read, change and replace the file under the lock; [(what was there, what is)] of each change."""
        from esmith.locking import Lock

        result: Optional[List[Changed]] = None
        while True:
            if lock is None:
                try:
                    lock = Lock(self.path)
                except OSError as error:
                    raise self._failure("cannot be locked", error) from error
            try:
                done, befores, edits = self._write_locked(lock, changes, create, again=result is not None)
                kept = lock.held()
            finally:
                lock.release()
                lock = None
            if edits:
                self._log(befores, edits)
            if done is None:
                continue
            if result is None:
                result = done
            # A Perl writer unlinks the lock file just after it gave it up, so ours may be gone, and another
            # may have read the old file meanwhile. Doing it again finds all as it should be, or does it.
            if kept or not edits:
                return result

    def _write_locked(
        self, lock: "Lock", changes: "List[Tuple[bytes, Change]]", create: bool, again: bool
    ) -> "Tuple[Optional[List[Changed]], Values, Values]":
        """One try of _write(): its result, None where somebody wrote meanwhile; the old values; the new."""
        from esmith.atomicfile import Replacement

        lines, identity = self._read()

        def right(path: str) -> bool:
            return _identity(path) == identity

        table = parse(lines) if len(changes) > _FEW else None
        done: List[Changed] = []
        befores: Values = {}
        edits: Values = {}
        for stored, change in changes:
            if stored not in befores:
                befores[stored] = edits[stored] = find(lines, stored) if table is None else table.get(stored)
            old = edits[stored]
            edits[stored] = change(old, again)
            done.append((old, edits[stored]))
        edits = {stored: new for stored, new in edits.items() if new != befores[stored]}
        # What is looked up next is what is there by then.
        self._lines = self._table = None
        if not edits and not (create and identity is None):
            return done, befores, edits
        try:
            pieces = [_header()] + edited(lines, edits)
            with Replacement(self.path, pieces, *_ownership(self.path)) as replacement:
                if not lock.held() or not right(self.path):
                    return None, befores, {}
                if not replacement.commit(right if lock.shared and identity is not None else None):
                    return None, befores, {}
        except OSError as error:
            raise self._failure("cannot be written", error) from error
        return done, befores, edits

    def _log(self, befores: "Values", edits: "Values") -> None:
        from esmith.syslog import log

        lines = []
        for stored in sorted(edits):
            key = decode(stored)
            old, new = befores[stored], edits[stored]
            was = "(undefined)" if old is None else _text(old)
            if new is None:
                lines.append(f"{self.label}: DELETE {key}={was}")
            else:
                lines.append(f"{self.label}: OLD {key}={was}")
                lines.append(f"{self.label}: NEW {key}={_text(new)}")
        log(*lines)

    def _loaded(self) -> bytes:
        """Read the file, and forget what was made of its lines; the lines."""
        self._lines, self._table = self._read()[0], None
        return self._lines

    def _read(self) -> "Tuple[bytes, Optional[Token]]":
        """The file's lines, b"" where there is none, and what tells it from its successor."""
        try:
            # A FIFO in its place must not be waited for.
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError as error:
            if not os.path.isdir(os.path.dirname(self.path)):
                raise self._failure("cannot be read", error) from error
            return b"", None
        except OSError as error:
            raise self._failure("cannot be read", error) from error
        try:
            status = os.fstat(fd)
            if not S_ISREG(status.st_mode):
                raise DatabaseError(f"{self.label} is not a file")
            # One more than there should be: the file is complete when less comes.
            lines = os.read(fd, status.st_size + 1)
            while True:
                more = os.read(fd, 1 << 16)
                if not more:
                    break
                lines += more
        except OSError as error:
            raise self._failure("cannot be read", error) from error
        finally:
            os.close(fd)
        return lines if lines.endswith(b"\n") or not lines else lines + b"\n", _token(status)

    def _failure(self, what: str, error: OSError) -> DatabaseError:
        way_out = WAYS_OUT.get(error.errno or 0, "")
        return DatabaseError(f"{self.label} {what}: {error.strerror or error}{way_out}")


class _Transaction:
    """What Database.transaction() gives."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Database:
        database = self._database
        if database._pending is not None:
            raise DatabaseError(f"{database.label} is in a transaction already")
        if database.readonly:
            raise DatabaseError(f"{database.label} was opened for reading only")
        from esmith.locking import Lock

        try:
            self._lock = Lock(database.path)
        except OSError as error:
            raise database._failure("cannot be locked", error) from error
        try:
            database.reload()
        except BaseException:
            self._lock.release()
            raise
        database._pending = []
        return database

    def __exit__(self, kind: "Optional[Type[BaseException]]", _value: object, _traceback: object) -> None:
        database = self._database
        changes, database._pending = database._pending, None
        assert changes is not None
        try:
            if kind is None:
                database._write(changes, lock=self._lock)
            else:
                database.reload()
        finally:
            self._lock.release()


class _Joined:
    """What Database.joined() gives within a transaction: whoever began that ends it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Database:
        return self._database

    def __exit__(self, *_exception: object) -> None:
        pass


class _Preview:
    """What Database.preview() gives."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Database:
        self._database._pending = []
        return self._database

    def __exit__(self, *_exception: object) -> None:
        self._database._pending = None


def _text(raw: "Raw") -> str:
    return "" if raw is NO_VALUE else decode(raw)


def _header() -> bytes:
    from time import asctime

    return _HEADER % asctime().encode("ascii")


def _checked(key: str, type: str, props: "Optional[Mapping[str, str]]") -> "Tuple[bytes, bytes]":
    """A key and a raw value as they are stored (bytes)."""
    stored = check_key(key)
    value = join_value(check_field(key, "type", type), {})
    return stored, merged(value, check_props(key, props or {}))


def _ownership(path: str) -> "Tuple[int, Optional[int], Optional[int]]":
    """The mode, user and group of a new file: what is secret stays so; root's are the admin group's."""
    mode = 0o640
    try:
        mode &= os.stat(path).st_mode
    except FileNotFoundError:
        pass
    group = _group_admin() if os.geteuid() == 0 else None
    return mode, None if group is None else 0, group


def _group_admin() -> "Optional[int]":
    """The number of the group admin in /etc/group (group(5)), or None; asking every name service is slow."""
    try:
        with open(paths.rooted("/etc/group"), "rb", buffering=0) as file:
            groups = b"\n" + file.read()
    except OSError:
        return None
    start = groups.find(b"\nadmin:")
    fields = groups[start + 1:groups.find(b"\n", start + 1)].split(b":") if start >= 0 else []
    return int(fields[2]) if len(fields) > 3 and fields[2].isdigit() else None


def _token(status: os.stat_result) -> "Token":
    # The numbers of inodes are used again, so the number alone does not tell.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _identity(path: str) -> "Optional[Token]":
    """What tells the file at `path` from its successor, None where there is none."""
    try:
        return _token(os.stat(path))
    except FileNotFoundError:
        return None
