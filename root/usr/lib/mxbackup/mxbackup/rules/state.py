"""What the rules are at one moment, as the journal compares it: names, kinds, extras, whether they are on."""

from mxbackup.rules import extras, record
from mxbackup.rules.rule import FLAG_OF_KIND, KIND_OF_FLAG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Mapping, NamedTuple, Optional

    from esmith.database import Database
    from mxbackup.rules.extras import Extras

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
    """The rules: `enabled` (bool), `kinds`, a dict name -> HOST, DOMAIN, or a flag of the list that is neither, and
    `extras`, a dict name -> what else it has, for those that have anything.

    An entry of the list that is ignored is here too, by its name as it stands: whether a name is refused is today's
    judgement, and no change of the rules. A record without a status counts as enabled: its first change makes it so.
    """

    __slots__ = ("enabled", "kinds", "extras")

    def __init__(
        self, enabled: bool = True, kinds: "Optional[Dict[str, str]]" = None, extras: "Optional[Extras]" = None,
    ) -> None:
        self.enabled = enabled
        self.kinds: Dict[str, str] = {} if kinds is None else kinds
        self.extras: Extras = {} if extras is None else extras

    def item(self, name: str) -> "Item":
        """Return what `name` (str) has, None where it has no rule."""
        kind = self.kinds.get(name)
        return None if kind is None else dict({"kind": kind}, **self.extras.get(name, {}))

    def put(self, name: str, item: "Item") -> None:
        """Let `name` (str) have `item`."""
        self.extras.pop(name, None)
        if item is None:
            self.kinds.pop(name, None)
            return
        self.kinds[name] = item["kind"]
        if len(item) > 1:
            self.extras[name] = rest(item)

    def steps_to(self, after: "State") -> "List[Step]":
        """Return what happened to each name from this State to the State `after`."""
        names = [name for name, kind in self.kinds.items() if after.kinds.get(name) != kind]
        names += [name for name in after.kinds if name not in self.kinds]
        names += [name for name in dict(self.extras, **after.extras) if self.kinds.get(name) == after.kinds.get(name)
                  and self.extras.get(name) != after.extras.get(name)]
        return [Step(name, self.item(name), after.item(name)) for name in names]

    def as_object(self) -> "Dict[str, object]":
        """Return it for JSON; from_object() reads it."""
        rules = ",".join([f"{name},{FLAG_OF_KIND.get(kind, kind)}" for name, kind in self.kinds.items()])
        return {"enabled": self.enabled, "rules": rules, "extras": self.extras}


def from_object(found: "Mapping[str, object]") -> State:
    """Return the State that as_object() gave as `found`."""
    parts = str(found["rules"]).split(",")
    kinds = {name: KIND_OF_FLAG.get(flag, flag) for name, flag in zip(parts[::2], parts[1::2])}
    has = found.get("extras")
    return State(bool(found["enabled"]), kinds, dict(has) if isinstance(has, dict) else None)


def rest(item: "Mapping[str, str]") -> "Dict[str, str]":
    """Return what `item` has beside its kind."""
    return {key: value for key, value in item.items() if key != "kind"}


def load(db: "Database") -> State:
    """Return the State in `db`, the configuration Database."""
    found = db.get(record.KEY)
    if found is None:
        return State()
    rules, ignored = record.parse(found.get("name"))
    kinds = {record.item_name(entry.name, entry.flag): KIND_OF_FLAG.get(entry.flag, entry.flag) for entry in ignored}
    kinds.update(rules.kinds)
    has = {name: item for name, item in extras.load(db).items() if item and name in kinds}
    return State(found.get("status") in ("", record.ENABLED), kinds, has)


def digest(db: "Database") -> str:
    """Return what tells the record in `db`, the configuration Database, and the extras from any others."""
    try:
        # hashlib brings OpenSSL with it, which costs more than the whole look.
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256

    found = sha256(db.raw(record.KEY) or b"")
    for name, raw in sorted(extras.database(db).table().items(), key=lambda item: item[0]):
        found.update(b"\n%b=%b" % (name, raw if isinstance(raw, bytes) else b""))
    return found.hexdigest()
