"""Lists of rules as people keep them in files, and as `mxbackup list --csv` and `export` write them.

A rule a line, UTF-8. `#` starts a comment, blank lines are skipped, and a line is one of

    smithnet.com           of the kind that the reader takes where none is said
    smithnet.com,DOMAIN    also with blanks, a tab or `;` between, and in quotes, as spreadsheets write
    mail.bar.org HOST
    .smithnet.com          a DOMAIN, as in qmail's control files

A first line `name,kind` is a heading. The JSON form is the object that `mxbackup export --json` writes:
its `rules` is an array of objects with a `name` and a `kind`.
"""

from collections import namedtuple

from mxbackup.rules import record
from mxbackup.rules.rule import DOMAIN, HOST, TOO_WIDE, Rule, RuleError, parse_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple

    from mxbackup.rules.extras import Extras

    class Entry(NamedTuple):
        source: str
        line: Optional[int]
        name: str
        kind: Optional[str]

    class Refusal(NamedTuple):
        source: str
        line: Optional[int]
        name: Optional[str]
        reason: str
else:
    Entry = namedtuple("Entry", "source line name kind")
    Refusal = namedtuple("Refusal", "source line name reason")
Entry.__doc__ = (
    """A rule as a list has it: `source` (str), `line` (int, or None), `name` as written, `kind` or None."""
)
Refusal.__doc__ = """Why an entry is no rule; all str, but `line` is int or None, and `name` may be None."""

HEADING = "name,kind"


def read(data: bytes, source: str) -> "Tuple[List[Entry], List[Refusal]]":
    """Parse `data` (bytes, text or JSON) from `source` (str, for messages); return ([Entry], [Refusal])."""
    text = data.decode("utf-8", "surrogateescape").lstrip("\ufeff")
    if text.lstrip().startswith("{"):
        return _read_json(text, source)
    entries: List[Entry] = []
    refusals: List[Refusal] = []
    for number, line in enumerate(text.split("\n"), 1):
        if "#" in line:
            line = line[: line.index("#")]
        # Neither a name nor a kind holds a quote, so those of a spreadsheet are as good as blanks.
        fields = line.replace(",", " ").replace(";", " ").replace('"', " ").split()
        if not fields or (not entries and ",".join(fields).lower() == HEADING):
            continue
        name = fields[0]
        kind = fields[1].upper() if len(fields) == 2 else None
        if len(fields) > 2 or kind not in (None, HOST, DOMAIN):
            refusals.append(
                Refusal(source, number, line.strip(), "is neither a name nor a name and HOST or DOMAIN")
            )
            continue
        if name[0] == "." and kind == HOST:
            refusals.append(Refusal(source, number, name, "is a DOMAIN by its dot and a HOST by its kind"))
        else:
            entries.append(entry(source, number, name, kind))
    return entries, refusals


def entry(source: str, line: "Optional[int]", name: str, kind: "Optional[str]") -> Entry:
    """Return the Entry of `name` (str) as it stands in a list or on a command line: a dot before it says DOMAIN."""
    if len(name) > 1 and name[0] == "." and kind != HOST:
        name, kind = name[1:], DOMAIN
    return Entry(source, line, name, kind)


def resolve(
    entries: "Sequence[Entry]", default: str = HOST, kinds: "Optional[Mapping[str, str]]" = None,
) -> "Tuple[List[Rule], List[Refusal]]":
    """Check `entries` (list of Entry); return ([Rule], [Refusal]).

    An entry without a kind takes that of `kinds` (dict name -> kind: the rules that are there), else
    `default`. A name that stands there twice is one rule, a kind that is said goes before none, and two
    that differ are refused.
    """
    rules, errors = record.check([(entry.name, entry.kind or default) for entry in entries])
    if errors:
        reasons = {error.name: error.reason for error in errors}
        return [], [
            refusal for entry in entries for refusal in _refusals(entry, entry.kind or default, reasons)
        ]
    said: Dict[str, Entry] = {}
    found: Dict[str, str] = {}
    refusals: List[Refusal] = []
    for entry, (name, kind) in zip(entries, rules):
        if entry.kind is None:
            if name not in found:
                found[name] = kinds.get(name, kind) if kinds else kind
            continue
        first = said.setdefault(name, entry)
        if first is entry:
            found[name] = kind
        if found[name] != kind:
            where = f"in line {first.line}" if first.line and first.source == entry.source else "before"
            refusals.append(
                Refusal(
                    entry.source,
                    entry.line,
                    entry.name,
                    f"is a {kind} here and a {found[name]} {where}",
                )
            )
    return [Rule(name, kind) for name, kind in found.items()], refusals


def write_csv(rules: "Iterable[Tuple[str, str]]") -> str:
    """Return the text form (str) of `rules` (iterable of Rule)."""
    return HEADING + "\n" + "".join([f"{name},{kind}\n" for name, kind in rules])


def write_json(rules: "Iterable[Tuple[str, str]]") -> str:
    """Return the JSON form (str) of `rules` (iterable of Rule)."""
    import json

    return json.dumps({"rules": as_objects(rules)}, indent=1) + "\n"


def as_objects(rules: "Iterable[Tuple[str, str]]", has: "Optional[Extras]" = None) -> "List[Dict[str, str]]":
    """Return `rules` (iterable of Rule) as a list of dicts with `name` and `kind`, and what each `has` beside."""
    beside = has or {}
    return [dict({"name": name, "kind": kind}, **beside.get(name, {})) for name, kind in rules]


def _read_json(text: str, source: str) -> "Tuple[List[Entry], List[Refusal]]":
    import json

    try:
        rules = json.loads(text, object_pairs_hook=_object)["rules"]
        return [Entry(source, None, _text(rule["name"]), _kind(rule["kind"])) for rule in rules], []
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        return [], [Refusal(source, line, None, "is not the JSON of 'mxbackup export --json'")]


def _object(pairs: "List[Tuple[str, object]]") -> "Dict[str, object]":
    found = dict(pairs)
    if len(found) < len(pairs):
        # Of two values of one name, one would be lost in silence.
        raise ValueError
    return found


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _kind(value: object) -> str:
    if not isinstance(value, str) or value not in (HOST, DOMAIN):
        raise ValueError
    return value


def _refusals(entry: Entry, kind: str, reasons: "Mapping[str, str]") -> "List[Refusal]":
    """Return the Refusal of `entry` in a list, or none; `reasons`: refused name, as given or kept -> why."""
    reason = reasons.get(entry.name) or reasons.get(_kept(entry.name))
    if reason is None or (reason == TOO_WIDE and kind == HOST):
        return []
    return [Refusal(entry.source, entry.line, entry.name, reason)]


def _kept(text: str) -> str:
    """Return the name that `text` is, as it is kept, or "" where it is none."""
    try:
        return parse_name(text)
    except RuleError:
        return ""
