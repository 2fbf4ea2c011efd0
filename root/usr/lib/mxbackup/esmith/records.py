"""The format of the databases: lines `key=value`, a value is `type|property|value|…`.

Everything here is bytes, and knows nothing of files. `data` is a whole file: its lines, each with its
newline. Of two lines with one key the later counts; comments and blank lines count for nothing.
"""

from _operator import eq, itemgetter, lt

from esmith.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import Enum
    from typing import Dict, List, Mapping, Optional, Tuple, Union

    class NoValue(Enum):
        NO_VALUE = 0

    # What a database has for a key.
    Raw = Union[bytes, NoValue]
    Piece = Union[bytes, memoryview]

# What Perl's \s is in a string of bytes.
SPACE = b" \t\n\r\f\v"
# The value of a key on a line of its own, without `=`: the Perl engine keeps it, and has no value for it.
if TYPE_CHECKING:
    NO_VALUE = NoValue.NO_VALUE
else:
    NO_VALUE = object()
# Beyond as many changes at once, taking all lines apart is quicker than finding a place for each.
_FEW = 500
# Lines are looked at so many bytes at a time: they stay in the processor's cache.
_CHUNK = 1 << 16
# So many characters of what is refused are shown.
_SHOWN = 200


def encode(text: str) -> bytes:
    """Return the bytes that `text` (str) stands for in a database; raises FormatError for none."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except (AttributeError, UnicodeEncodeError) as error:
        raise FormatError(f"{ascii(text)} refused: it is no text that a database can hold") from error


def decode(data: bytes) -> str:
    """Return the str that stands for `data` (bytes of a database)."""
    return data.decode("utf-8", "surrogateescape")


def split_value(raw: bytes) -> "Tuple[bytes, Dict[bytes, Optional[bytes]]]":
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
    props: Dict[bytes, Optional[bytes]] = dict(zip(fields[1::2], fields[2::2]))
    if len(fields) % 2 == 0:
        props[fields[-1]] = None
    return fields[0], props


def join_value(type_: bytes, props: "Mapping[bytes, Optional[bytes]]") -> bytes:
    """The raw value (bytes, as stored) of a type and properties (bytes), which split_value() takes apart."""
    fields = [type_]
    for prop in sorted(props):
        fields += (prop, props[prop] or b"")
    return b"|".join(fields).replace(b"\n", b"\\n").strip(SPACE)


def check_key(key: str) -> bytes:
    """Return `key` (str) as it is stored (bytes); raises FormatError where a database cannot hold it."""
    stored = encode(key).strip(SPACE)
    for bad, found in (
        ("is empty", not stored),
        ("has a =", b"=" in stored),
        ("has a newline", b"\n" in stored),
        ("begins with #", stored.startswith(b"#")),
        ("has a NUL", b"\0" in stored),
    ):
        if found:
            raise FormatError(f"key {quoted(key)} refused: it {bad}, which a database cannot hold")
    return stored


def check_field(key: str, what: str, text: str) -> bytes:
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
    raise FormatError(f"key {quoted(key)}: {what} {quoted(text)} refused: it {bad}, which a database cannot hold")


def check_props(key: str, props: "Mapping[str, str]") -> "Dict[bytes, bytes]":
    """Return `props` (dict of str) of `key` as bytes; raises FormatError at the first that is refused."""
    stored = {}
    for prop, value in props.items():
        if not prop:
            raise FormatError(f"key {quoted(key)}: a property without a name refused")
        name = check_field(key, "property", prop)
        stored[name] = check_field(key, f"value of property {quoted(prop)}:", value)
    return stored


def quoted(text: str) -> str:
    """`text` (str) for a message, on one line, not too long."""
    if len(text) > _SHOWN:
        text = text[:_SHOWN] + "..."
    return ascii(text) if any(character < " " or character == "\x7f" for character in text) else f"'{text}'"


def find(data: bytes, stored: bytes) -> "Optional[Raw]":
    """The raw value of the key `stored` in the lines `data`, NO_VALUE, or None; without taking them apart."""
    if b"=" in stored or b"\n" in stored or stored.startswith(b"#"):
        return None
    start = _last_line(data, stored + b"=")
    if stored and _last_line(data, stored + b"\n") > start:
        return NO_VALUE
    if start < 0:
        return None
    start += len(stored) + 1
    return data[start:data.index(b"\n", start)]


def parse(data: bytes) -> "Dict[bytes, Raw]":
    """The raw values of the lines `data`, by key; the value of a line without `=` is NO_VALUE."""
    table: Dict[bytes, Raw] = {}
    for line in data.split(b"\n"):
        key, equals, raw = line.partition(b"=")
        # Most keys begin with a letter; what sorts below may be a comment, or white space before one.
        if equals and key >= b"$":
            table[key] = raw
        else:
            bare = line.lstrip(SPACE)
            if bare and not bare.startswith(b"#"):
                table[key] = raw if equals else NO_VALUE
    return table


def store(table: "Dict[bytes, Raw]", stored: bytes, new: "Optional[Raw]") -> None:
    """Put a raw value into a table, or, where it is None, take the key out."""
    if new is None:
        table.pop(stored, None)
    else:
        table[stored] = new


def edited(data: bytes, edits: "Mapping[bytes, Optional[Raw]]") -> "List[Piece]":
    """The lines `data` after `edits` (raw values by key, None to delete), sorted by key: a list of pieces."""
    start = 0
    while data.startswith(b"#", start):
        start = data.index(b"\n", start) + 1
    if len(edits) <= _FEW and _in_order(data, start):
        return _spliced(data, start, edits)
    table = parse(data)
    for stored, new in edits.items():
        store(table, stored, new)
    return [
        b"%b=%b\n" % (key, b"" if raw is NO_VALUE else raw)
        for key, raw in sorted(table.items(), key=itemgetter(0))
    ]


def merged(raw: bytes, props: "Mapping[bytes, bytes]") -> bytes:
    """A raw value with properties (bytes) set one after the other, each as the Perl engine stores it."""
    for prop in sorted(props):
        type_, properties = split_value(raw)
        properties[prop] = props[prop]
        raw = join_value(type_, properties)
    return raw


def _last_line(data: bytes, beginning: bytes) -> int:
    """Where the last line that begins so begins, or -1."""
    start = data.rfind(b"\n" + beginning) + 1
    return start if start or data.startswith(beginning) else -1


def _in_order(data: bytes, start: int) -> bool:
    """Whether the lines from `start` on are as a writer leaves them: all records, each key once, sorted."""
    # What sorts below `$` may be a comment or begin with white space: such a file is taken apart.
    key = b"$"
    while start < len(data):
        end = data.find(b"\n", start + _CHUNK)
        end = len(data) - 1 if end < 0 else end
        lines = data[start:end].split(b"\n")
        keys = [line.partition(b"=")[0] for line in lines]
        # A line without `=` is its own key.
        if any(map(eq, keys, lines)) or not all(map(lt, [key] + keys, keys)):
            return False
        key = keys[-1]
        start = end + 1
    return True


def _spliced(data: bytes, start: int, edits: "Mapping[bytes, Optional[Raw]]") -> "List[Piece]":
    view = memoryview(data)
    pieces: List[Piece] = []
    for stored in sorted(edits):
        place = _place(data, start, stored)
        pieces.append(view[start:place])
        new = edits[stored]
        if new is not None:
            pieces.append(b"%b=%b\n" % (stored, b"" if new is NO_VALUE else new))
        start = place
        if data.startswith(stored + b"=", place):
            start = data.index(b"\n", place) + 1
    pieces.append(view[start:])
    return pieces


def _place(data: bytes, low: int, stored: bytes) -> int:
    """Where among the ordered lines of `data` from `low` on the line of this key begins, or belongs."""
    high = len(data)
    while low < high:
        line = data.rfind(b"\n", low, (low + high) // 2) + 1 or low
        if data[line:data.index(b"=", line)] < stored:
            low = data.index(b"\n", line) + 1
        else:
            high = line
    return low
