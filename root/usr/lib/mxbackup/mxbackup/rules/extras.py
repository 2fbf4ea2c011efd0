"""What a rule has beside its name and kind: one record in the database `mxbackup`, of type `rule`.

    smithnet.com=rule|Contact|postmaster@smithnet.com|NextHop|[10.0.0.5]:2525|Note|until May

The flat list of the record `mxbackup` alone decides whether a rule exists; one without extras has no record here. A
record here whose rule does not exist is an orphan: it counts for nothing, and is told.
"""

from esmith.database import Database
from esmith.errors import EsmithError
from esmith.records import decode, split_value
from mxbackup.rules.rule import RuleError, printable
from mxbackup.rules.words import WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Container, Dict, List, Mapping, Optional

    # {name of a rule: {key of a word: value}}; sparse.
    Extras = Dict[str, Dict[str, str]]

NAME = "mxbackup"
TYPE = "rule"


class ExtrasError(EsmithError):
    """The database holds, for a rule that exists, what is none of its words' values."""


def database(db: "Optional[Database]" = None, readonly: bool = True) -> Database:
    """Return the Database of the extras that goes with the configuration Database `db` (the host's where None).

    Raises DatabaseError.
    """
    # A preview has one of its own.
    beside: Optional[Database] = getattr(db, "extras", None)
    return Database(NAME, readonly=readonly) if beside is None else beside


def load(db: "Optional[Database]" = None) -> "Extras":
    """Return what rules have by the extras beside the configuration Database `db`, orphans too, as it stands there.

    Raises DatabaseError where they cannot be read.
    """
    found: Extras = {}
    keys = {word.prop.encode(): word.key for word in WORDS}
    for name, raw in database(db).table().items():
        if isinstance(raw, bytes) and raw.startswith(TYPE.encode()):
            type_, props = split_value(raw)
            if type_ == TYPE.encode():
                found[decode(name)] = {keys[p]: decode(v) for p, v in props.items() if v and p in keys}
    return found


def values(key: str, kinds: "Mapping[str, str]", extras: "Extras") -> "Dict[str, str]":
    """Return {name: value} of the word `key` for those of the rules `kinds` (dict name -> kind) that have one.

    Raises ExtrasError where a value is none that would be written today: with another one the mail would go astray.
    """
    word = next(word for word in WORDS if word.key == key)
    found = {}
    for name, has in extras.items():
        if key in has and name in kinds:
            try:
                found[name] = word.parse(has[key])
            except RuleError as error:
                raise ExtrasError(
                    f"the database {NAME} has for {name} the {word.prop} {printable(has[key])!r}: {error.reason};"
                    f" correct it: mxbackup add {name} {word.option} {word.metavar}"
                ) from None
    return found


def orphans(kinds: "Container[str]", extras: "Extras") -> "List[str]":
    """Return the names in `extras` that are no rules of `kinds`."""
    return [name for name in extras if name not in kinds]


def put(name: str, has: "Mapping[str, str]", db: Database) -> None:
    """Let the rule `name` have `has` (key of a word -> value) and nothing else that a word is for.

    `db`: the configuration Database, as the door (mailfiles.change) gives it. Raises DatabaseError.
    """
    beside = database(db, readonly=False)
    found = beside.get(name)
    ours = {word.prop: word.key for word in WORDS}
    props = {prop: value for prop, value in (found.props if found else {}).items() if prop not in ours}
    props.update({prop: has[key] for prop, key in ours.items() if has.get(key)})
    if props:
        beside.set(name, TYPE, props)
    elif found and found.type == TYPE:
        beside.delete(name)


def describe(names: "List[str]", given: "Mapping[str, str]", db: Database) -> "List[str]":
    """Let each of the rules `names` have what is `given` (key of a word -> value, "" for none) beside what it has.

    `db` as for put(). Returns the names of those that had not. Raises DatabaseError.
    """
    there = load(db)
    changed = []
    for name in names:
        now = there.get(name, {})
        wanted = {key: value for key, value in {**now, **given}.items() if value}
        if wanted != now:
            put(name, wanted, db)
            changed.append(name)
    return changed
