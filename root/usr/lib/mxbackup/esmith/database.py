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

_HEADER = (
    b"# Kept by the e-smith engine: change it with /sbin/e-smith/db, an edit by hand may be lost.\n"
    b"# updated: %b\n"
)
# From as many changes on, a table of all records is quicker than a search for each.
_FEW = 20
_WAYS_OUT = {
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

    def __init__(self, database, key, raw):
        self._database = database
        self.key = key
        type_, props = split_value(raw)
        self.type = decode(type_)
        self.props = {decode(prop): decode(props[prop] or b"") for prop in sorted(props)}

    def __repr__(self):
        return f"<{self._database.name} {self.key}: {self.type} {self.props}>"

    def get(self, prop, default=""):
        """The value (str) of the property `prop`, or `default`."""
        return self.props.get(prop, default)

    def set(self, prop, value):
        """Set the property `prop` to `value` (str). Raises FormatError, DatabaseError."""
        self.merge({prop: value})

    def merge(self, props):
        """Set the properties `props` (dict of str) in one write. Raises FormatError, DatabaseError.

        A record that somebody deleted meanwhile stays deleted, as in the Perl engine.
        """
        self._refresh(self._database.merge(self.key, props))

    def delete(self, *props):
        """Delete the properties named; one that is not there is no error."""
        self._refresh(self._database.delete_props(self.key, *props))

    def _refresh(self, record):
        if record is not None:
            self.type, self.props = record.type, record.props


class Database:
    """A database by name (`domains`) or absolute path; see the module for its use.

    `readonly`: changes raise DatabaseError. `create`: the file is made where there is none. Without it,
    a missing file reads as an empty database, and the first change makes it. `lazy`: the file is read when
    something is looked up, not now.
    Raises DatabaseError where the file cannot be read.
    """

    def __init__(self, name="configuration", readonly=False, create=False, lazy=False):
        self.name = name
        # As the user and the log know it; `path` is where it really is.
        self.label = paths.database(name)
        self.path = paths.given(self.label)
        self.readonly = readonly
        self._pending = None
        self._lines = None
        self._table = None
        if create and not os.path.exists(self.path):
            self._write([], create=True)
        if not lazy:
            self.reload()

    # Reading.

    def reload(self):
        """Read the file again: what others changed since then is seen. Raises DatabaseError."""
        self._lines = self._read()[0]
        self._table = None

    def raw(self, key):
        """The raw value (bytes, as stored) of `key` (str), or None: what to look at without parsing it."""
        stored = encode(key).strip(SPACE)
        if self._table is not None:
            raw = self._table.get(stored)
        else:
            if self._lines is None:
                self.reload()
            raw = find(self._lines, stored)
        return None if raw is NO_VALUE else raw

    def get(self, key):
        """The Record of `key` (str), or None."""
        raw = self.raw(key)
        return None if raw is None else Record(self, decode(encode(key).strip(SPACE)), raw)

    def __getitem__(self, key):
        record = self.get(key)
        if record is None:
            raise NoRecordError(f"{self.label} has no record {quoted(key)}")
        return record

    def __contains__(self, key):
        return self.raw(key) is not None

    def __len__(self):
        return len(self._reachable())

    def __iter__(self):
        return iter([decode(key) for key, _raw in self._reachable()])

    def records(self, type=None):
        """The Records in byte order of their keys, all or those of one type (str). A generator."""
        wanted = None if type is None else encode(type)
        for key, raw in self._reachable():
            if wanted is None or split_value(raw)[0] == wanted:
                yield Record(self, decode(key), raw)

    def _reachable(self):
        """[(key, raw value)] of the records that can be looked up, in byte order of the keys."""
        items = self.table().items()
        return sorted((k, raw) for k, raw in items if raw is not NO_VALUE and k == k.strip(SPACE))

    def value(self, key):
        """What a Perl fragment's `$key` gives: the record's raw value (str), "" where there is none."""
        raw = self.raw(key)
        return "" if raw is None else decode(raw.replace(b"\\n", b"\n"))

    def table(self):
        """The raw values by key (bytes both, as stored); not for changing."""
        if self._table is None:
            if self._lines is None:
                self.reload()
            self._table = parse(self._lines)
        return self._table

    def raw_items(self):
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

    def create(self, key, type, props=None):
        """Add a record and return it. Raises RecordExistsError where `key` has one; FormatError."""
        stored, value = _checked(key, type, props)

        def change(old, again):
            if old not in (None, NO_VALUE) and not (again and old == value):
                raise RecordExistsError(f"{self.label} has a record {quoted(key)} already")
            return value

        self._change(stored, change)
        return Record(self, decode(stored), value)

    def set(self, key, type, props=None):
        """Make `key` a record of this type (str) with these properties (dict of str) alone, and return it."""
        stored, value = _checked(key, type, props)
        self._change(stored, lambda old, again: value)
        return Record(self, decode(stored), value)

    def set_default(self, key, type, props=None):
        """As set(), but a record that is there stays as it is; returns the record."""
        stored, value = _checked(key, type, props)
        new = self._change(stored, lambda old, again: value if old in (None, NO_VALUE) else old)[1]
        return Record(self, decode(stored), new)

    def set_type(self, key, type):
        """Change the type (str) of a record; the record, None where there is none."""
        stored, new = check_key(key), check_field(key, "type", type)
        changed = self._change_record(stored, lambda old: join_value(new, split_value(old)[1]))
        return self._record(stored, changed)

    def merge(self, key, props):
        """Set properties (dict of str) of a record in one write; the record, None where there is none."""
        stored, new = check_key(key), check_props(key, props)
        return self._record(stored, self._change_record(stored, lambda old: merged(old, new)))

    def delete_props(self, key, *props):
        """Delete properties (str) of a record; the record, None where there is none."""
        stored = encode(key).strip(SPACE)
        gone = set(map(encode, props))

        def change(old):
            type_, properties = split_value(old)
            return join_value(type_, {p: v for p, v in properties.items() if p not in gone})

        return self._record(stored, self._change_record(stored, change))

    def delete(self, key):
        """Delete a record; whether there was one (bool)."""
        old = self._change(encode(key).strip(SPACE), lambda old, again: old if old is NO_VALUE else None)[0]
        return old not in (None, NO_VALUE)

    def transaction(self):
        """A context manager: the changes within are one locked write when it ends, none after an exception.

        The file is read again, under the lock, when it begins; the lock is held until it ends.
        """
        return _Transaction(self)

    def preview(self):
        """A context manager: the changes within are made in memory alone; `reload()` forgets them."""
        return _Preview(self)

    def own(self):
        """Give the file to root and the group admin, where this user may and that group exists."""
        _mode, uid, gid = _ownership(self.path)
        if uid is None:
            return
        try:
            os.chown(self.path, uid, gid)
        except OSError as error:
            raise self._failure("cannot be given to root:admin", error) from error

    def _record(self, stored, raw):
        return None if raw is None else Record(self, decode(stored), raw)

    def _change_record(self, stored, change):
        """Apply `change(raw value)` to a record; the raw value then, None where there is no record."""
        def change_if_there(old, again):
            return old if old in (None, NO_VALUE) else change(old)

        new = self._change(stored, change_if_there)[1]
        return None if new is NO_VALUE else new

    def _change(self, stored, change):
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

    def _write(self, changes, create=False, lock=None):
        """Read, change and replace the file under the lock; [(what was there, what is)] of each change."""
        from esmith.locking import Lock

        result = None
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
            if result is None:
                result = done
            # A Perl writer unlinks the lock file just after it gave it up, so ours may be gone, and another
            # may have read the old file meanwhile. Doing it again finds all as it should be, or does it.
            if done is not None and (kept or not edits):
                return result

    def _write_locked(self, lock, changes, create, again):
        """One try of _write(): its result, None where somebody wrote meanwhile; the old values; the new."""
        from esmith.atomicfile import Replacement

        lines, identity = self._read()

        def right(path):
            return _identity(path) == identity

        before = parse(lines).get if len(changes) > _FEW else lambda stored: find(lines, stored)
        done, befores, edits = [], {}, {}
        for stored, change in changes:
            if stored not in befores:
                befores[stored] = edits[stored] = before(stored)
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

    def _log(self, befores, edits):
        from esmith.syslog import log

        lines = []
        shown = {None: b"(undefined)", NO_VALUE: b""}
        for stored in sorted(edits):
            key = decode(stored)
            old = decode(shown.get(befores[stored], befores[stored]))
            if edits[stored] is None:
                lines.append(f"{self.label}: DELETE {key}={old}")
            else:
                lines.append(f"{self.label}: OLD {key}={old}")
                lines.append(f"{self.label}: NEW {key}={decode(edits[stored])}")
        log(*lines)

    def _read(self):
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

    def _failure(self, what, error):
        way_out = _WAYS_OUT.get(error.errno, "")
        return DatabaseError(f"{self.label} {what}: {error.strerror or error}{way_out}")


class _Transaction:
    """What Database.transaction() gives."""

    def __init__(self, database):
        self._database = database

    def __enter__(self):
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

    def __exit__(self, kind, _value, _traceback):
        database = self._database
        changes, database._pending = database._pending, None
        try:
            if kind is None:
                database._write(changes, lock=self._lock)
            else:
                database.reload()
        finally:
            self._lock.release()


class _Preview:
    """What Database.preview() gives."""

    def __init__(self, database):
        self._database = database

    def __enter__(self):
        self._database._pending = []
        return self._database

    def __exit__(self, *_exception):
        self._database._pending = None


def _header():
    from time import asctime

    return _HEADER % asctime().encode("ascii")


def _checked(key, type, props):
    """A key and a raw value as they are stored (bytes)."""
    stored = check_key(key)
    value = join_value(check_field(key, "type", type), {})
    return stored, merged(value, check_props(key, props or {}))


def _ownership(path):
    """The mode, user and group of a new file: what is secret stays so; root's are the admin group's."""
    mode = 0o640
    try:
        mode &= os.stat(path).st_mode
    except FileNotFoundError:
        pass
    group = _group_admin() if os.geteuid() == 0 else None
    return mode, None if group is None else 0, group


def _group_admin():
    """The number of the group admin in /etc/group (group(5)), or None; asking every name service is slow."""
    try:
        with open(paths.rooted("/etc/group"), "rb", buffering=0) as file:
            groups = b"\n" + file.read()
    except OSError:
        return None
    start = groups.find(b"\nadmin:")
    fields = groups[start + 1:groups.find(b"\n", start + 1)].split(b":") if start >= 0 else []
    return int(fields[2]) if len(fields) > 3 and fields[2].isdigit() else None


def _token(status):
    # The numbers of inodes are used again, so the number alone does not tell.
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _identity(path):
    """What tells the file at `path` from its successor, None where there is none."""
    try:
        return _token(os.stat(path))
    except FileNotFoundError:
        return None
