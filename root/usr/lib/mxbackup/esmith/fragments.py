"""Renders one template fragment: plain text, or Jinja2 in the shape that the Perl engine can run too.

A fragment is Jinja2 if and only if its first line starts with `{# jinja2`. Without a brace it is plain
text. Any other is Perl, and refused. docs/fragments.md says how to write one.

What a fragment reads from a database is data: it is printed, never evaluated. A value that holds a newline
is refused where the fragment reads it, for printed it would become a second line of the output;
`record.lines("prop")` gives such a value as a list of lines. Python modules had by `use` get the database
itself.
"""

import _signal  # without its enumerations, whose import takes longer than an expansion
import os

from esmith import compiled
from esmith.errors import EsmithError, TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType, ModuleType
    from typing import Any, Callable, Dict, Iterator, List, NoReturn, Optional, Tuple, Union

    from esmith.database import Database, Record

MARK = b"{# jinja2"

# Seconds that one fragment may take, and bytes that it may give.
TIME_LIMIT = 30
SIZE_LIMIT = 64 << 20
# So many pieces are joined at a time: a list of many small ones takes far more memory than their text.
_PIECES = 1 << 16


def time_limit() -> float:
    """Return the seconds a fragment may take: ESMITH_FRAGMENT_SECONDS, else 30."""
    try:
        seconds = float(os.environ["ESMITH_FRAGMENT_SECONDS"])
    except (KeyError, ValueError):
        return TIME_LIMIT
    return seconds if 0 < seconds < 1e6 else TIME_LIMIT


def one_line(value: str, key: str, what: str) -> str:
    """Return `value` (str); TemplateError, naming the record `key` and the property, if it has a newline."""
    if "\n" in value:
        raise TemplateError(
            f"the database value {key}: {what} holds a newline, which would become a second line of the output; "
            f'correct it, or let the fragment ask for its lines("{what}")'
        )
    return value


class RecordView:
    """A database record as a fragment sees it.

    `record.PROP` is a property, as is `record["PROP"]`; one that is not there is empty. Printed, the record
    is its type. The names key, type, props, get and lines are the record's own; a property of such a name
    is had by `record["get"]`.
    """

    __slots__ = ("_record",)

    def __init__(self, record: "Record") -> None:
        self._record = record

    @property
    def key(self) -> str:
        return self._record.key

    @property
    def type(self) -> str:
        return one_line(self._record.type, self._record.key, "type")

    @property
    def props(self) -> "Dict[str, str]":
        """The properties, a dict of str."""
        return {name: one_line(value, self._record.key, name) for name, value in self._record.props.items()}

    def get(self, name: str, default: str = "") -> str:
        """Return the property `name` (str), else `default`."""
        return one_line(self._record.get(name, default), self._record.key, name)

    def lines(self, name: str) -> "List[str]":
        """Return the lines (list of str) of the property `name`, whatever it holds."""
        return self._record.get(name).splitlines()

    def __getitem__(self, name: str) -> str:
        return one_line(self._record.props[name], self._record.key, name)

    def __getattr__(self, name: str) -> str:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __str__(self) -> str:
        return self.type

    def __bool__(self) -> bool:
        return bool(self._record.type)

    def __len__(self) -> int:
        return len(self.type)

    def __eq__(self, other: object) -> bool:
        return self.type == (other.type if isinstance(other, RecordView) else other)

    def __hash__(self) -> int:
        return hash(self.type)


class DatabaseView:
    """A database as a fragment sees it: read-only, its records as RecordViews."""

    __slots__ = ("_database",)

    def __init__(self, database: "Database") -> None:
        self._database = database

    def get(self, key: str) -> "Optional[RecordView]":
        """Return the record `key` (str), or None."""
        record = self._database.get(key)
        return None if record is None else RecordView(record)

    def __getitem__(self, key: str) -> RecordView:
        return RecordView(self._database[key])

    def __contains__(self, key: str) -> bool:
        return key in self._database

    def __iter__(self) -> "Iterator[str]":
        return iter(self._database)

    def __len__(self) -> int:
        return len(self._database)

    def records(self, type: "Optional[str]" = None) -> "List[RecordView]":
        """Return the records (list), of one `type` (str) where given, in the order of their keys."""
        return [RecordView(record) for record in self._database.records(type)]

    def value(self, key: str) -> str:
        """Return the type of the record `key`, "" where there is none."""
        return one_line(self._database.value(key), key, "type")


class UsedModule:
    """A Python module in a fragment's hands: its functions get databases and records, not views."""

    def __init__(self, module: "ModuleType") -> None:
        self._module = module

    def __getattr__(self, name: str) -> "Any":
        thing = getattr(self._module, name)
        if not callable(thing):
            return thing

        def call(*arguments: "Any", **named: "Any") -> "Any":
            return thing(*map(_itself, arguments), **{key: _itself(value) for key, value in named.items()})

        return call


class Names:
    """What a fragment can name: DB, open_database, use, and each configuration record by its key.

    One serves all templates of a process: a database is read once, and again where refresh() finds its file
    changed. Without `keep`, compiled fragments are not put into the cache: nothing at all is written.
    """

    def __init__(self, keep: bool = True) -> None:
        self.keep = keep
        self._databases: Dict[str, Tuple[Database, Optional[Tuple[int, int, int]]]] = {}

    def refresh(self) -> None:
        """See the databases as they are from now on."""
        for name, (database, known) in self._databases.items():
            identity = _identity(database)
            if identity != known:
                self._databases[name] = database, identity
                database.reload()

    def database(self, name: str) -> "Database":
        """Return the database `name` (str), read-only. Raises DatabaseError."""
        known = self._databases.get(name)
        if known is None:
            from esmith.database import Database

            database = Database(name, readonly=True)
            known = self._databases[name] = database, _identity(database)
        return known[0]

    def find(self, name: str, missing: object) -> object:
        """Return what `name` (str) stands for in a fragment, else `missing`."""
        if name == "DB":
            return DatabaseView(self.database("configuration"))
        if name == "open_database":
            return lambda name: DatabaseView(self.database(name))
        if name == "use":
            return _use
        record = self.database("configuration").get(name)
        return missing if record is None else RecordView(record)


def read(path: str) -> bytes:
    """Return the bytes of the fragment at `path` (str). Raises TemplateError."""
    try:
        with open(path, "rb") as fragment:
            return fragment.read()
    except OSError as error:
        raise TemplateError(f"{path}: cannot be read: {error.strerror}") from None


def render(path: str, names: Names) -> bytes:
    """Return what the fragment at `path` (str) gives (bytes); `names` is a Names.

    Raises TemplateError, naming the fragment and the line.
    """
    text = read(path)
    if text.startswith(MARK):
        return _run(path, text, names)
    for number, line in enumerate(text.split(b"\n"), 1):
        if b"{" in line or b"}" in line:
            raise TemplateError(
                f"{path} line {number}: this is a Perl fragment, for it has a brace and its first line does not "
                f"start with '{MARK.decode()}'; Perl is not run here. Rewrite it as Jinja2, or hide it by one of the "
                "same name below /etc/e-smith/templates-custom"
            )
    return text


def _itself(value: "Any") -> "Any":
    """Return the database or record behind a view, for Python code; anything else as it is."""
    if isinstance(value, DatabaseView):
        return value._database
    if isinstance(value, RecordView):
        return value._record
    return value


def _identity(database: "Database") -> "Optional[Tuple[int, int, int]]":
    """Return what changes whenever the database's file is written: a writer always makes a new file."""
    try:
        found = os.stat(database.path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _use(name: str) -> UsedModule:
    from importlib import import_module

    try:
        return UsedModule(import_module(name))
    except ImportError:
        from esmith import distribution

        distribution.use()
        return UsedModule(import_module(name))


class _TimeUp(BaseException):
    """Raised within a fragment that takes too long; no `except Exception` there can hold it up."""


class _Clock:
    """Stops what runs within it after time_limit() seconds by raising _TimeUp; only in the main thread."""

    def __enter__(self) -> "_Clock":
        self._seconds = time_limit()
        self._handler: Union[Callable[[int, Optional[FrameType]], Any], int, None]
        try:
            self._handler = _signal.signal(_signal.SIGALRM, self._up)
        except ValueError:
            # Another thread than the main one can set no handler, and then there is no limit.
            self._handler = None
        else:
            # Again and again, for a fragment's code may have swallowed the first.
            self._timer = _signal.setitimer(_signal.ITIMER_REAL, self._seconds, 1)
        return self

    def __exit__(self, *error: object) -> None:
        if self._handler is not None:
            _signal.setitimer(_signal.ITIMER_REAL, 0)
            _signal.signal(_signal.SIGALRM, self._handler)
            _signal.setitimer(_signal.ITIMER_REAL, *self._timer)

    def _up(self, number: int, frame: object) -> "NoReturn":
        raise _TimeUp(f"it takes longer than {self._seconds:g} seconds, and was stopped")


def _run(path: str, text: bytes, names: Names) -> bytes:
    fragment = None
    try:
        with _Clock():
            fragment = compiled.load(path, text, names.keep)
            blocks = []
            pieces = []
            size = 0
            running = fragment.pieces(names)
            for piece in running:
                pieces.append(piece)
                size += len(piece)
                if size > SIZE_LIMIT:
                    # Raised within the fragment, to be told with its line.
                    running.throw(TemplateError(f"it gives more than {SIZE_LIMIT >> 20} MiB"))
                if len(pieces) == _PIECES:
                    blocks.append("".join(pieces))
                    pieces.clear()
            return "".join(blocks + pieces).encode("utf-8", "surrogateescape")
    except (Exception, SystemExit, _TimeUp) as error:
        if fragment is None and isinstance(error, TemplateError):
            raise
        line = fragment.line(error.__traceback__) if fragment else 1
        raise TemplateError(f"{path} line {line}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    """Return what went wrong, in one line; for an error in Python code with its file and line."""
    # What comes from a database may hold anything, and is not to command a terminal.
    reason = " ".join(str(error).split())
    reason = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in reason)
    if isinstance(error, (EsmithError, _TimeUp)):
        return reason
    where = ""
    traceback = error.__traceback__
    while traceback is not None:
        source = traceback.tb_frame.f_code.co_filename
        if os.path.isabs(source) and source not in (__file__, compiled.__file__):
            where = f" (in {source} line {traceback.tb_lineno})"
        traceback = traceback.tb_next
    name = type(error).__name__
    return f"{name}: {reason}{where}" if reason else name + where
