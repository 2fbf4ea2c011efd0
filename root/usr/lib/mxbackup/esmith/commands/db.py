"""db and config: read and change a database from the command line, as the Perl engine's commands do."""

import os

from esmith.database import Database, check_key, decode, encode, split_value
from esmith.errors import EsmithError, FormatError

_PAIRS = " [prop1 val1] [prop2 val2] ..."
# Arguments after `db DATABASE COMMAND`, for the usage text, in its order.
_USAGE = {
    "keys": "",
    "print": " [key]",
    "show": " [--json] [key]",
    "get": " key",
    "set": " key type" + _PAIRS,
    "setdefault": " key type" + _PAIRS,
    "delete": " key",
    "printtype": " [key]",
    "gettype": " key",
    "settype": " key type",
    "printprop": " key [prop1] [prop2] [prop3] ...",
    "getprop": " key prop",
    "setprop": " key prop1 val1 [prop2 val2] [prop3 val3] ...",
    "delprop": " key prop1 [prop2] [prop3] ...",
}
_CHANGES = ("set", "setdefault", "delete", "settype", "setprop", "delprop")


class _UsageError(Exception):
    """The arguments do not fit the command."""


def main(argv, database=None):
    """Run `db ARGUMENTS` (argv as in sys.argv), or `config` with its `database`; the exit status (int).

    0: done; 1: no such record, nothing to print, or the database could not be read or written;
    2: wrong use, or something refused that a database cannot hold.
    """
    program = os.path.basename(argv[0])
    arguments = [decode(os.fsencode(argument)) for argument in argv[1:]]
    prefix = "    " + program
    if database is None:
        prefix += " database"
        database = arguments.pop(0) if arguments else None
    command = arguments.pop(0) if arguments else None
    try:
        if not database or command not in _USAGE:
            raise _UsageError
        return _run(database, command, arguments)
    except _UsageError:
        lines = [command] if command in _USAGE else _USAGE
        usage = "".join("%s %s%s\n" % (prefix, name, _USAGE[name]) for name in lines)
        _say("usage:\n%s" % usage + ("" if command in _USAGE else (
            "Each command that changes something takes --dry-run at its end: it prints the lines\n"
            "before (-) and after (+), and changes nothing.\n")))
        return 2
    except FormatError as error:
        _say("%s: %s; nothing was changed\n" % (program, error))
        return 2
    except (EsmithError, OSError) as error:
        _say("%s: %s\n" % (program, error))
        return 1
    except KeyboardInterrupt:
        return 130


def _run(database, command, arguments):
    function = globals()["_" + command]
    if command in _CHANGES:
        dry_run = "--dry-run" in (arguments[:1] + arguments[-1:])
        if dry_run:
            arguments.remove("--dry-run") if arguments[0] == "--dry-run" else arguments.pop()
        return _preview(database, function, arguments) if dry_run else function(Database(database), arguments)
    return function(Database(database, readonly=True), arguments)


def _say(text):
    """Print to standard error, whatever becomes of it."""
    try:
        os.write(2, encode(text))
    except OSError:
        pass


def _out(data):
    """Print bytes; a reader that went away ends the command as it would any other (signal(7): SIGPIPE)."""
    import _signal

    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(1, view):]
        except OSError as error:
            raise EsmithError("standard output: %s" % error.strerror)


def _take(arguments, count):
    if len(arguments) < count:
        raise _UsageError
    return arguments[:count]


def _pairs(arguments):
    """The properties (dict) of `prop value …`; a later one of the same name counts."""
    if len(arguments) % 2:
        raise _UsageError
    return dict(zip(arguments[::2], arguments[1::2]))


def _preview(database, function, arguments):
    """Show the lines before and after a change that is not made."""
    db = Database(database, readonly=False)
    key, = _take(arguments, 1)
    before = _line(db, key)
    with db.preview():
        status = function(db, arguments)
        after = _line(db, key)
    _out(b"".join(sign + line for sign, line in ((b"- ", before), (b"+ ", after)) if line))
    return status


def _line(db, key):
    raw = db.raw(key)
    return raw and b"%b=%b\n" % (check_key(key), raw)


def _wanted(db, arguments):
    """[(key, raw value)] of the key given, or of all; raw is b"" for a line that has no value."""
    if arguments:
        raw = db.raw(arguments[0])
        return [] if raw is None else [(encode(arguments[0]), raw)]
    return [(key, db.raw(decode(key)) or b"") for key in sorted(db.table())]


def _unescaped(raw):
    return raw.replace(b"\\n", b"\n")


# One function for each command: (database, arguments) -> exit status.

def _keys(db, arguments):
    keys = sorted(db.table())
    _out(b"".join(key + b"\n" for key in keys))
    return 0 if keys else 1


def _print(db, arguments):
    wanted = _wanted(db, arguments)
    _out(b"".join(b"%b=%b\n" % (key, _unescaped(raw)) for key, raw in wanted))
    return 0 if wanted else 1


def _show(db, arguments):
    as_json = "--json" in (arguments[:1] + arguments[-1:])
    if as_json:
        arguments.remove("--json")
    wanted = _wanted(db, arguments)
    if as_json:
        _out(_json(wanted))
        return 0 if wanted else 1
    lines = []
    for key, raw in wanted:
        type_, props = split_value(raw)
        lines.append(b"%b=%b\n" % (key, type_))
        # Where there is no type, the Perl command shows no properties either.
        for prop in sorted(props) if type_ else ():
            lines.append(b"    %b=%b\n" % (prop, props[prop] or b""))
    _out(b"".join(lines))
    return 0 if wanted else 1


def _json(wanted):
    import json

    records = {}
    for key, raw in wanted:
        type_, props = split_value(raw)
        records[decode(key)] = {
            "type": decode(type_),
            "props": {decode(prop): decode(props[prop] or b"") for prop in sorted(props)},
        }
    return encode(json.dumps(records, indent=4) + "\n")


def _get(db, arguments):
    key, = _take(arguments, 1)
    raw = db.raw(key)
    if raw is None:
        return 1
    _out(_unescaped(raw) + b"\n")
    return 0


def _set(db, arguments):
    key, type_ = _take(arguments, 2)
    db.set(key, type_, _pairs(arguments[2:]))
    return 0


def _setdefault(db, arguments):
    key, type_ = _take(arguments, 2)
    props = _pairs(arguments[2:])
    if not type_:
        raise _UsageError
    db.set_default(key, type_, props)
    return 0


def _delete(db, arguments):
    key, = _take(arguments, 1)
    return 0 if db.delete(key) else 1


def _printtype(db, arguments):
    wanted = _wanted(db, arguments)
    _out(b"".join(b"%b=%b\n" % (key, split_value(raw)[0]) for key, raw in wanted))
    return 0 if wanted else 1


def _gettype(db, arguments):
    key, = _take(arguments, 1)
    raw = db.raw(key)
    if raw is None:
        return 1
    _out(split_value(raw)[0] + b"\n")
    return 0


def _settype(db, arguments):
    key, type_ = _take(arguments, 2)
    if not type_:
        raise _UsageError
    return 0 if db.set_type(key, type_) else 1


def _printprop(db, arguments):
    key, = _take(arguments, 1)
    raw = db.raw(key)
    props = {} if raw is None else split_value(raw)[1]
    if len(arguments) == 1:
        _out(b"".join(b"%b=%b\n" % (prop, props[prop] or b"") for prop in sorted(props)))
        return 0 if props else 1
    wanted = [encode(prop) for prop in arguments[1:]]
    _out(b"".join(b"%b=%b\n" % (prop, props[prop]) for prop in wanted if props.get(prop) is not None))
    return 0


def _getprop(db, arguments):
    key, prop = _take(arguments, 2)
    raw = db.raw(key)
    value = None if raw is None else split_value(raw)[1].get(encode(prop))
    if value is None:
        return 1
    _out(value + b"\n")
    return 0


def _setprop(db, arguments):
    key, = _take(arguments, 1)
    props = _pairs(arguments[1:])
    if not props:
        raise _UsageError
    db.merge(key, props)
    return 0


def _delprop(db, arguments):
    key, _prop = _take(arguments, 2)
    db.delete_props(key, *arguments[1:])
    return 0
