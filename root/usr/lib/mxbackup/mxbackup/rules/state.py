"""What the rules are at one moment, as the journal compares it: names, kinds, whether they are on."""

from mxbackup.rules import record
from mxbackup.rules.rule import FLAG_OF_KIND, KIND_OF_FLAG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, NamedTuple, Optional

    from esmith.database import Database

    # What a name has, {"kind": HOST, ...}, or None where it has no rule.
    Item = Optional[Dict[str, str]]

    class Step(NamedTuple):
        name: str
        before: Item
        after: Item
else:
    from collections import namedtuple

    Step = namedtuple("Step", "name before after")
Step.__doc__ = """What happened to one name: what it had `before` and what it has `after`, None for no rule."""


class State:
    """The rules: `enabled` (bool), and `kinds`, a dict name -> HOST, DOMAIN, or a flag of the list that is neither.

    An entry of the list that is ignored is here too, by its name as it stands: whether a name is refused is today's
    judgement, and no change of the rules. A record without a status counts as enabled: its first change makes it so.
    """

    __slots__ = ("enabled", "kinds")

    def __init__(self, enabled: bool = True, kinds: "Optional[Dict[str, str]]" = None) -> None:
        self.enabled = enabled
        self.kinds: Dict[str, str] = {} if kinds is None else kinds

    def item(self, name: str) -> "Item":
        """Return what `name` (str) has, None where it has no rule."""
        kind = self.kinds.get(name)
        return None if kind is None else {"kind": kind}

    def put(self, name: str, item: "Item") -> None:
        """Let `name` (str) have `item`."""
        if item is None:
            self.kinds.pop(name, None)
        else:
            self.kinds[name] = item["kind"]

    def copy(self) -> "State":
        return State(self.enabled, dict(self.kinds))

    def steps_to(self, after: "State") -> "List[Step]":
        """Return what happened to each name from this State to the State `after`."""
        names = [name for name, kind in self.kinds.items() if after.kinds.get(name) != kind]
        names += [name for name in after.kinds if name not in self.kinds]
        return [Step(name, self.item(name), after.item(name)) for name in names]

    def as_object(self) -> "Dict[str, object]":
        """Return it for JSON; from_object() reads it."""
        rules = ",".join([f"{name},{FLAG_OF_KIND.get(kind, kind)}" for name, kind in self.kinds.items()])
        return {"enabled": self.enabled, "rules": rules}


def from_object(found: "Mapping[str, object]") -> State:
    """Return the State that as_object() gave as `found`."""
    parts = str(found["rules"]).split(",")
    return State(bool(found["enabled"]), {n: KIND_OF_FLAG.get(f, f) for n, f in zip(parts[::2], parts[1::2])})


def load(db: "Database") -> State:
    """Return the State in `db`, the configuration Database."""
    found = db.get(record.KEY)
    if found is None:
        return State()
    rules, ignored = record.parse(found.get("name"))
    kinds = {record.item_name(entry.name, entry.flag): KIND_OF_FLAG.get(entry.flag, entry.flag) for entry in ignored}
    kinds.update(rules.kinds)
    return State(found.get("status") in ("", record.ENABLED), kinds)


def digest(db: "Database") -> str:
    """Return what tells the record in `db`, the configuration Database, from any other (str, 64 characters)."""
    try:
        # hashlib brings OpenSSL with it, which costs more than the whole look.
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256

    return sha256(db.raw(record.KEY) or b"").hexdigest()
