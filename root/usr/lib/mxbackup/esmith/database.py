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
from fcntl import LOCK_EX, flock

from esmith import paths
from esmith.errors import DatabaseError, FormatError, NoRecordError, RecordExistsError

# What Perl's \s is in a string of bytes.
_SPACE = b" \t\n\r\f\v"
_HEADER = (
    b"# Kept by the e-smith engine: change it with /sbin/e-smith/db, an edit by hand may be lost.\n"
    b"# updated: %b\n"
)
# A key on a line of its own, without `=`: the Perl engine keeps it, and has no value for it.
_NO_VALUE = object()


def encode(text):
    """Return the bytes that `text` (str) stands for in a database."""
    return text.encode("utf-8", "surrogateescape")


def decode(data):
    """Return the str that stands for `data` (bytes of a database)."""
    return data.decode("utf-8", "surrogateescape")


def split_value(raw):
    """Split a raw value (bytes, as stored) into its type and a dict of its properties, all bytes.

    The value of a last property that has none is None. `\\n` stands for a newline; a `|` after a
    backslash does not separate.
    """
    value = raw.replace(b"\\n", b"\n")
    fields = value.split(b"|")
    if b"\\|" in value:
        joined = fields[:1]
        for field in fields[1:]:
            if joined[-1].endswith(b"\\"):
                joined[-1] += b"|" + field
            else:
                joined.append(field)
        fields = joined
    props = dict(zip(fields[1::2], fields[2::2]))
    if len(fields) % 2 == 0:
        props[fields[-1]] = None
    return fields[0], props


def join_value(type_, props):
    """The raw value (bytes, as stored) of a type and properties (bytes), which split_value() takes apart."""
    fields = [type_]
    for prop in sorted(props):
        fields += (prop, props[prop] or b"")
    return b"|".join(fields).replace(b"\n", b"\\n").strip(_SPACE)


def check_key(key):
    """Return `key` (str) as it is stored (bytes); raises FormatError where a database cannot hold it."""
    stored = encode(key).strip(_SPACE)
    for bad, found in (
        ("is empty", not stored),
        ("has a =", b"=" in stored),
        ("has a newline", b"\n" in stored),
        ("begins with #", stored.startswith(b"#")),
        ("has a NUL", b"\0" in stored),
    ):
        if found:
            raise FormatError("key %s refused: it %s, which a database cannot hold" % (_quoted(key), bad))
    return stored


def check_field(key, what, text):
    """Return `text` (str), the type or a property or value of `key`, as bytes; raises FormatError."""
    stored = encode(text)
    if b"|" in stored:
        bad = "has a |"
    elif stored.endswith(b"\\"):
        bad = "ends in a backslash"
    elif b"\0" in stored:
        bad = "has a NUL"
    else:
        return stored
    message = "key %s: %s %s refused: it %s, which a database cannot hold"
    raise FormatError(message % (_quoted(key), what, _quoted(text), bad))


def check_props(key, props):
    """Return `props` (dict of str) of `key` as bytes; raises FormatError at the first that is refused."""
    stored = {}
    for prop, value in props.items():
        if not prop:
            raise FormatError("key %s: a property without a name refused" % _quoted(key))
        name = check_field(key, "property", prop)
        stored[name] = check_field(key, "value of property %s:" % _quoted(prop), value)
    return stored


def _quoted(text):
    return ascii(text) if "\n" in text else "'%s'" % text


class Record:
    """One record of a database, as it was when it was looked up; its changes are written at once.

    `key` and `type` are str, `props` is a dict of str in byte order of the names. Within a transaction of its
    database, changes are written when the transaction ends.
    """

    def __init__(self, database, key, raw):
        self._database = database
        self.key = key
        self._take(raw)

    def _take(self, raw):
        type_, props = split_value(raw)
        self.type = decode(type_)
        self.props = {decode(prop): decode(props[prop] or b"") for prop in sorted(props)}

    def __repr__(self):
        return "<%s %s: %s %s>" % (self._database.name, self.key, self.type, self.props)

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
        self._database.merge(self.key, props)
        self._refresh()

    def delete(self, *props):
        """Delete the properties named; one that is not there is no error."""
        self._database.delete_props(self.key, *props)
        self._refresh()

    def _refresh(self):
        raw = self._database.raw(self.key)
        if raw is not None:
            self._take(raw)


class Database:
    """A database by name (`domains`) or absolute path; see the module for its use.

    `readonly`: changes raise DatabaseError. `create`: the file is made where there is none. Without it,
    a missing file reads as an empty database, and the first change makes it.
    Raises DatabaseError where the file cannot be read.
    """

    def __init__(self, name="configuration", readonly=False, create=False):
        self.name = name
        # As the user and the log know it; `path` is where it really is.
        self.label = paths.database(name)
        self.path = paths.given(self.label)
        self.readonly = readonly
        self._pending = None
        self._table = None
        self.reload()
        if create and not os.path.exists(self.path):
            self._write([], create=True)

    # Reading.

    def reload(self):
        """Read the file again: what others changed since then is seen. Raises DatabaseError."""
        self._data = self._read()[0]
        self._table = None

    def raw(self, key):
        """The raw value (bytes, as stored) of `key` (str), or None: what to look at without parsing it."""
        stored = encode(key).strip(_SPACE)
        if self._table is None:
            raw = _find(self._data, stored)
        else:
            raw = self._table.get(stored)
        return None if raw is _NO_VALUE else raw

    def get(self, key):
        """The Record of `key` (str), or None."""
        raw = self.raw(key)
        return None if raw is None else Record(self, decode(encode(key).strip(_SPACE)), raw)

    def __getitem__(self, key):
        record = self.get(key)
        if record is None:
            raise NoRecordError("%s has no record %s" % (self.label, _quoted(key)))
        return record

    def __contains__(self, key):
        return self.raw(key) is not None

    def __len__(self):
        return len(self.table())

    def __iter__(self):
        return map(decode, sorted(self.table()))

    def records(self, type=None):
        """The Records in byte order of their keys, all or those of one type (str). A generator."""
        wanted = None if type is None else encode(type)
        table = self.table()
        for key in sorted(table):
            raw = table[key]
            if raw is not _NO_VALUE and (wanted is None or split_value(raw)[0] == wanted):
                yield Record(self, decode(key), raw)

    def value(self, key):
        """What a Perl fragment's `$key` gives: the record's raw value (str), "" where there is none."""
        raw = self.raw(key)
        return "" if raw is None else decode(raw.replace(b"\\n", b"\n"))

    def table(self):
        """The raw values by key (bytes both, as stored); not for changing."""
        if self._table is None:
            self._table = _parse(self._data)
        return self._table

    # Changing.

    def create(self, key, type, props=None):
        """Add a record and return it. Raises RecordExistsError where `key` has one; FormatError."""
        stored, value = self._checked(key, type, props or {})

        def change(old, again):
            if old is not None and old is not _NO_VALUE and not (again and old == value):
                raise RecordExistsError("%s has a record %s already" % (self.label, _quoted(key)))
            return value

        self._change(stored, change)
        return self.get(key)

    def set(self, key, type, props=None):
        """Make `key` a record of this type (str) with these properties (dict of str) alone, and return it."""
        stored, value = self._checked(key, type, props or {})
        self._change(stored, lambda old, again: value)
        return self.get(key)

    def set_default(self, key, type, props=None):
        """As set(), but a record that is there stays as it is; returns the record."""
        stored, value = self._checked(key, type, props or {})
        self._change(stored, lambda old, again: value if old is None or old is _NO_VALUE else old)
        return self.get(key)

    def set_type(self, key, type):
        """Change the type of a record; whether there is one (bool)."""
        stored = check_key(key)
        new = check_field(key, "type", type)
        return self._change_value(stored, lambda old: join_value(new, split_value(old)[1]))

    def merge(self, key, props):
        """Set properties (dict of str) of a record in one write; whether there is one (bool)."""
        stored = check_key(key)
        new = check_props(key, props)
        return self._change_value(stored, lambda old: _merged(old, new))

    def delete_props(self, key, *props):
        """Delete properties (str) of a record; whether there is one (bool)."""
        stored = check_key(key)
        gone = set(map(encode, props))

        def change(old):
            type_, properties = split_value(old)
            if gone.isdisjoint(properties):
                return old
            return join_value(type_, {p: v for p, v in properties.items() if p not in gone})

        return self._change_value(stored, change)

    def delete(self, key):
        """Delete a record; whether there was one (bool)."""
        return self._change(encode(key).strip(_SPACE), lambda old, again: old if old is _NO_VALUE else None)

    def transaction(self):
        """A context manager: the changes within are one locked write when it ends, none after an exception.

        The file is read again, under the lock, when it begins; the lock is held until it ends.
        """
        return _Transaction(self)

    def preview(self):
        """A context manager: the changes within are made in memory alone; `reload()` forgets them."""
        return _Preview(self)

    def _checked(self, key, type, props):
        stored = check_key(key)
        value = join_value(check_field(key, "type", type), {})
        # One property at a time, as the Perl engine stores them: each time the value's end is trimmed.
        return stored, _merged(value, check_props(key, props))

    def _change_value(self, stored, change):
        def change_if_there(old, again):
            return old if old is None or old is _NO_VALUE else change(old)

        return self._change(stored, change_if_there)

    def _change(self, stored, change):
        """Apply `change(old raw value or None, whether it is done again)` to a key; whether it had one."""
        if self.readonly:
            raise DatabaseError("%s was opened for reading only" % self.label)
        if self._pending is None:
            return self._write([(stored, change)])[0]
        table = self.table()
        old = table.get(stored)
        _store(table, stored, change(old, False))
        self._pending.append((stored, change))
        return old is not None and old is not _NO_VALUE

    def _write(self, changes, create=False, lock=None):
        """Read, change, replace the file under the lock; whether each change met a record (list of bool)."""
        again = False
        while True:
            try:
                held = lock or Lock(self.path)
            except OSError as error:
                raise self._failure(error)
            try:
                written, found = self._write_locked(held, changes, create, again)
                if written and held.held():
                    return found
                if not written and found is not None:
                    return found
            finally:
                held.release()
            # The Perl engine unlinks a lock that it has just given up, so ours may have been taken from us:
            # then another may have read the old file. Doing it again finds nothing to do, or does it.
            again = written
            lock = None

    def _write_locked(self, lock, changes, create, again):
        """One try of _write(): (whether it wrote, what the changes met, or None where the lock was lost)."""
        from esmith.atomicfile import Replacement

        self._data, identity = self._read()
        self._table = None
        table = None
        found = []
        edits = {}
        for stored, change in changes:
            old = edits[stored] if stored in edits else _find(self._data, stored)
            edits[stored] = change(old, again)
            found.append(old is not None and old is not _NO_VALUE)
        befores = {stored: _find(self._data, stored) for stored in edits}
        edits = {stored: new for stored, new in edits.items() if new != befores[stored]}
        if not edits and not (create and identity is None):
            return False, found
        data = _edited(self._data, edits)
        try:
            with Replacement(self.path, _header() + data[1:], *self._ownership(identity)) as replacement:
                if not (lock.held() and _identity(self.path) == identity):
                    return False, None
                replacement.commit()
        except OSError as error:
            raise self._failure(error)
        self._data = data
        self._log(edits, befores)
        return True, found

    def _ownership(self, identity):
        """The mode, user, group of a new file: what is secret stays so; root's are the admin group's."""
        mode = 0o640
        try:
            mode &= os.stat(self.path).st_mode
        except OSError:
            pass
        if os.geteuid() == 0:
            from grp import getgrnam

            try:
                return mode, 0, getgrnam("admin").gr_gid
            except KeyError:
                pass
        return mode, None, None

    def _log(self, edits, befores):
        from esmith.syslog import log

        for stored in sorted(edits):
            key = decode(stored)
            old, new = (None if v is _NO_VALUE else v for v in (befores[stored], edits[stored]))
            if new is None:
                log("%s: DELETE %s=%s" % (self.label, key, decode(old)))
            else:
                log("%s: OLD %s=%s" % (self.label, key, "(undefined)" if old is None else decode(old)))
                log("%s: NEW %s=%s" % (self.label, key, decode(new)))

    def _read(self):
        """The file's lines (bytes between two newlines) and what tells it from its successor."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            if not os.path.isdir(os.path.dirname(self.path)):
                raise DatabaseError("%s: its folder is not there; make it, or set DBPATH" % self.label)
            return b"\n", None
        except OSError as error:
            raise self._failure(error)
        try:
            status = os.fstat(fd)
            parts = []
            while True:
                part = os.read(fd, max(status.st_size + 1, 1 << 16))
                if not part:
                    break
                parts.append(part)
        except OSError as error:
            raise self._failure(error)
        finally:
            os.close(fd)
        data = b"\n" + b"".join(parts)
        return (data if data.endswith(b"\n") else data + b"\n"), (status.st_dev, status.st_ino)

    def _failure(self, error):
        return DatabaseError("%s: %s; nothing was changed" % (self.label, error.strerror or error))


class Lock:
    """The lock that every writer of the database at `path` holds: flock() on `path`.lock (flock(2))."""

    def __init__(self, path):
        from esmith.atomicfile import names

        self._path = path + ".lock"
        self._names = names
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            self._fd = os.open(self._path, flags, 0o660)
            try:
                flock(self._fd, LOCK_EX)
                if self.held():
                    return
            except BaseException:
                os.close(self._fd)
                raise
            # Whoever had it before unlinked it: others lock a new file by now.
            os.close(self._fd)

    def held(self):
        """Whether the lock file is still the one that is locked."""
        return self._names(self._path, self._fd)

    def release(self):
        """Give the lock up; idempotent. The lock file goes too, unless somebody waits for it."""
        if self._fd is None:
            return
        try:
            # A Perl writer that waits does not look whether its lock file is still there.
            if self.held() and not _waited_for(self._fd):
                os.unlink(self._path)
        finally:
            os.close(self._fd)
            self._fd = None


def _waited_for(fd):
    """Whether somebody is blocked on a lock of the open file `fd`, as far as /proc/locks (proc(5)) shows."""
    inode = b":%d " % os.fstat(fd).st_ino
    try:
        locks = os.open("/proc/locks", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        text = b""
        while True:
            part = os.read(locks, 1 << 16)
            if not part:
                break
            text += part
    finally:
        os.close(locks)
    return any(b" -> " in line and inode in line for line in text.splitlines())


class _Transaction:
    """What Database.transaction() gives."""

    def __init__(self, database):
        self._database = database

    def __enter__(self):
        database = self._database
        if database._pending is not None:
            raise DatabaseError("%s is in a transaction already" % database.label)
        if database.readonly:
            raise DatabaseError("%s was opened for reading only" % database.label)
        try:
            self._lock = Lock(database.path)
        except OSError as error:
            raise database._failure(error)
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


def _identity(path):
    """What tells the file at `path` from its successor, None where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _find(data, stored):
    """The raw value of a key in the lines of a database, _NO_VALUE, or None; its last line counts."""
    if b"=" in stored or b"\n" in stored or stored.startswith(b"#"):
        return None
    start = data.rfind(b"\n%b=" % stored)
    if stored and data.rfind(b"\n%b\n" % stored) > start:
        return _NO_VALUE
    if start < 0:
        return None
    start += len(stored) + 2
    return data[start:data.index(b"\n", start)]


def _parse(data):
    """The raw values by key of the lines of a database; the value of a line without `=` is _NO_VALUE."""
    table = {}
    for line in data.split(b"\n"):
        key, equals, raw = line.partition(b"=")
        if equals:
            bare = key.lstrip(_SPACE)
            if not bare.startswith(b"#"):
                table[key] = raw
        elif line.strip(_SPACE) and not line.lstrip(_SPACE).startswith(b"#"):
            table[key] = _NO_VALUE
    return table


def _store(table, stored, new):
    if new is None:
        table.pop(stored, None)
    else:
        table[stored] = new


def _edited(data, edits):
    """The lines of a database after `edits` (raw values by key, None to delete), sorted by key."""
    table = _parse(data)
    for stored, new in edits.items():
        _store(table, stored, new)
    lines = [b"%b=%b\n" % (key, b"" if table[key] is _NO_VALUE else table[key]) for key in sorted(table)]
    return b"\n" + b"".join(lines)


def _merged(raw, props):
    """A raw value with properties (bytes) set one after the other, each as the Perl engine stores it."""
    for prop in sorted(props):
        type_, properties = split_value(raw)
        properties[prop] = props[prop]
        raw = join_value(type_, properties)
    return raw
