"""db and config: read and change a database from the command line, as the Perl engine's commands do."""

import gc
import os

from esmith.commands import out
from esmith.database import Database
from esmith.errors import EsmithError, FormatError
from esmith.records import SPACE, decode, encode, split_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional, Sequence, Tuple

    Command = Callable[[Database, List[str]], int]

_PAIRS = "[prop1 val1] [prop2 val2] ..."
# What follows `db DATABASE COMMAND`: how many arguments at least, from where on they are pairs, as words.
_COMMANDS = {
    "keys": (0, None, ""),
    "print": (0, None, " [key]"),
    "show": (0, None, " [key] [--json]"),
    "get": (1, None, " key"),
    "set": (2, 2, " key type " + _PAIRS),
    "setdefault": (2, 2, " key type " + _PAIRS),
    "delete": (1, None, " key"),
    "printtype": (0, None, " [key]"),
    "gettype": (1, None, " key"),
    "settype": (2, None, " key type"),
    "printprop": (1, None, " key [prop1] [prop2] [prop3] ..."),
    "getprop": (2, None, " key prop"),
    "setprop": (3, 1, " key prop1 val1 [prop2 val2] [prop3 val3] ..."),
    "delprop": (2, None, " key prop1 [prop2] [prop3] ..."),
}
_CHANGES = ("set", "setdefault", "delete", "settype", "setprop", "delprop")
_NOTE = """\
Each command that changes something takes --dry-run at its end: it shows the line before (-)
and after (+) and changes nothing. db(8) tells more.
"""


def main(argv: "Sequence[str]", database: "Optional[str]" = None) -> int:
    """Run `db ARGUMENTS` (argv as in sys.argv), or `config` with its `database`; the exit status (int).

    0: done; 1: no such record, nothing to print, or the database could not be read or written;
    2: wrong use, or something refused that a database cannot hold.
    """
    # A process this short leaves no garbage worth looking for.
    gc.disable()
    program = os.path.basename(argv[0])
    words = program if database else program + " DATABASE"
    arguments = [decode(os.fsencode(argument)) for argument in argv[1:]]
    try:
        if arguments in (["--help"], ["-h"]):
            out(encode(_usage(words)))
            return 0
        if database is None:
            database = arguments.pop(0) if arguments else None
        command = arguments.pop(0) if arguments else None
        if not database or command not in _COMMANDS:
            _say(_usage(words))
            return 2
        try:
            return _run(database, command, arguments)
        except _UsageError:
            _say("usage:\n" + _usage_line(words, command))
            return 2
    except FormatError as error:
        _say(f"{program}: {error}; nothing was changed\n")
        return 2
    except (EsmithError, OSError) as error:
        _say(f"{program}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


class _UsageError(Exception):
    """The arguments do not fit the command."""


def _usage(words: str) -> str:
    return "usage:\n" + "".join(_usage_line(words, command) for command in _COMMANDS) + _NOTE


def _usage_line(words: str, command: str) -> str:
    return f"    {words} {command}{_COMMANDS[command][2]}\n"


def _run(database: str, command: str, arguments: "List[str]") -> int:
    function: Command = globals()["_" + command]
    if command == "show" and _flag(command, arguments, "--json"):
        function = _show_json
    dry_run = command in _CHANGES and _flag(command, arguments, "--dry-run")
    if not _fits(command, arguments):
        raise _UsageError
    if dry_run:
        return _preview(Database(database), function, arguments)
    # What changes something reads the file under the lock, and need not do so before.
    return function(Database(database, readonly=command not in _CHANGES, lazy=command in _CHANGES), arguments)


def _fits(command: str, arguments: "List[str]") -> bool:
    least, pairs, _words = _COMMANDS[command]
    count = len(arguments)
    return count >= least and (pairs is None or (count - pairs) % 2 == 0)


def _flag(command: str, arguments: "List[str]", flag: str) -> bool:
    """Take a flag out of the arguments; it is one where it is the last or first and the others do without."""
    for place in (-1, 0):
        if arguments and arguments[place] == flag:
            others = arguments[:]
            del others[place]
            if _fits(command, others):
                arguments[:] = others
                return True
    return False


def _say(text: str) -> None:
    """Print to standard error, whatever becomes of it."""
    try:
        os.write(2, encode(text))
    except OSError:
        pass


def _pairs(arguments: "List[str]") -> "Dict[str, str]":
    """The properties (dict) of `prop value …`; a later one of the same name counts."""
    return dict(zip(arguments[::2], arguments[1::2]))


def _preview(db: Database, function: "Command", arguments: "List[str]") -> int:
    """Show the lines before and after a change that is not made."""
    before = _line(db, arguments[0])
    with db.preview():
        status = function(db, arguments)
        after = _line(db, arguments[0])
    out(b"".join(sign + line for sign, line in ((b"- ", before), (b"+ ", after)) if line))
    return status


def _line(db: Database, key: str) -> "Optional[bytes]":
    raw = db.raw(key)
    return None if raw is None else b"%b=%b\n" % (encode(key).strip(SPACE), raw)


def _wanted(db: Database, arguments: "List[str]") -> "List[Tuple[bytes, bytes]]":
    """[(key, raw value)] of the key given, or of all; raw is b"" for a line that has no value."""
    if arguments:
        raw = db.raw(arguments[0])
        return [] if raw is None else [(encode(arguments[0]), raw)]
    return db.raw_items()


def _unescaped(raw: bytes) -> bytes:
    return raw.replace(b"\\n", b"\n")


def _print_all(pieces: "List[bytes]") -> int:
    """Print the pieces (list of bytes); the exit status, 1 where there are none."""
    out(b"".join(pieces))
    return 0 if pieces else 1


# One function for each command: (database, arguments that fit it) -> exit status.

def _keys(db: Database, _arguments: "List[str]") -> int:
    return _print_all([key + b"\n" for key, _raw in db.raw_items()])


def _print(db: Database, arguments: "List[str]") -> int:
    return _print_all([b"%b=%b\n" % (key, _unescaped(raw)) for key, raw in _wanted(db, arguments)])


def _show(db: Database, arguments: "List[str]") -> int:
    # Records with the same properties share a format: the command is for whole databases, too.
    formats: Dict[Tuple[bytes, ...], bytes] = {}
    shown = []
    for key, raw in _wanted(db, arguments):
        fields = raw.split(b"|")
        names = tuple(fields[1::2])
        form = formats.get(names)
        if form is None:
            form = formats[names] = _form(names)
        if form and fields[0] and len(fields) % 2 and b"\\" not in raw:
            shown.append(form % (key, *fields))
        else:
            shown.append(_shown(key, raw))
    return _print_all(shown)


def _form(names: "Tuple[bytes, ...]") -> bytes:
    """What shows a key, a type and properties of these names (bytes); b"" where they are out of order."""
    ordered = tuple(sorted(set(names))) == names
    return b"%b=%b\n" + b"    %b=%b\n" * len(names) if ordered else b""


def _shown(key: bytes, raw: bytes) -> bytes:
    type_, props = split_value(raw)
    lines = [b"%b=%b\n" % (key, type_)]
    # Where there is no type, the Perl command shows no properties either.
    for prop in sorted(props) if type_ else ():
        lines.append(b"    %b=%b\n" % (prop, props[prop] or b""))
    return b"".join(lines)


def _show_json(db: Database, arguments: "List[str]") -> int:
    import json

    records = {}
    for key, raw in _wanted(db, arguments):
        type_, props = split_value(raw)
        records[decode(key)] = {
            "type": decode(type_),
            "props": {decode(prop): decode(props[prop] or b"") for prop in sorted(props)},
        }
    out(encode(json.dumps(records, indent=4) + "\n"))
    return 0 if records else 1


def _get(db: Database, arguments: "List[str]") -> int:
    raw = db.raw(arguments[0])
    return _print_all([] if raw is None else [_unescaped(raw) + b"\n"])


def _set(db: Database, arguments: "List[str]") -> int:
    db.set(arguments[0], arguments[1], _pairs(arguments[2:]))
    return 0


def _setdefault(db: Database, arguments: "List[str]") -> int:
    if not arguments[1]:
        raise _UsageError
    db.set_default(arguments[0], arguments[1], _pairs(arguments[2:]))
    return 0


def _delete(db: Database, arguments: "List[str]") -> int:
    return 0 if db.delete(arguments[0]) else 1


def _printtype(db: Database, arguments: "List[str]") -> int:
    return _print_all([b"%b=%b\n" % (key, split_value(raw)[0]) for key, raw in _wanted(db, arguments)])


def _gettype(db: Database, arguments: "List[str]") -> int:
    raw = db.raw(arguments[0])
    return _print_all([] if raw is None else [split_value(raw)[0] + b"\n"])


def _settype(db: Database, arguments: "List[str]") -> int:
    if not arguments[1]:
        raise _UsageError
    return 0 if db.set_type(*arguments[:2]) else 1


def _props(db: Database, key: str) -> "Dict[bytes, Optional[bytes]]":
    raw = db.raw(key)
    return {} if raw is None else split_value(raw)[1]


def _printprop(db: Database, arguments: "List[str]") -> int:
    props = _props(db, arguments[0])
    if len(arguments) == 1:
        return _print_all([b"%b=%b\n" % (prop, props[prop] or b"") for prop in sorted(props)])
    wanted = [prop for prop in map(encode, arguments[1:]) if props.get(prop) is not None]
    _print_all([b"%b=%b\n" % (prop, props[prop] or b"") for prop in wanted])
    return 0


def _getprop(db: Database, arguments: "List[str]") -> int:
    value = _props(db, arguments[0]).get(encode(arguments[1]))
    return _print_all([] if value is None else [value + b"\n"])


def _setprop(db: Database, arguments: "List[str]") -> int:
    db.merge(arguments[0], _pairs(arguments[1:]))
    return 0


def _delprop(db: Database, arguments: "List[str]") -> int:
    db.delete_props(*arguments)
    return 0
