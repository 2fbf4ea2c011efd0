"""The record `mxbackup` of the configuration database: what it says, and changes to it."""

from esmith.errors import FormatError
from mxbackup.rules import publicsuffix
from mxbackup.rules.rule import (
    FLAG_OF_KIND,
    HOST,
    KIND_OF_FLAG,
    Ignored,
    Rule,
    RuleError,
    RuleSet,
    format_list,
    parse_list,
    parse_name,
    parse_pairs,
    printable,
    tidy,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, List, Mapping, Optional, Set, Tuple

    from esmith.database import Database

    # What changes the kinds and returns the ignored entries to keep.
    _Edit = Callable[[Dict[str, str], List[Ignored], "Change"], List[Ignored]]

KEY = "mxbackup"
TYPE = "service"
ENABLED = "enabled"
DISABLED = "disabled"

_parsed: "Tuple[Optional[str], Tuple[RuleSet, List[Ignored]]]" = (None, (RuleSet(), []))


class Configuration:
    """What the database says: `enabled` (bool), `rules` (RuleSet), `ignored` (list of Ignored).

    `warnings` is a list of str.
    """

    __slots__ = ("enabled", "rules", "ignored")

    def __init__(self, enabled: bool, rule_set: RuleSet, ignored: "List[Ignored]") -> None:
        self.enabled = enabled
        self.rules = rule_set
        self.ignored = ignored

    @property
    def warnings(self) -> "List[str]":
        return [text for text in (publicsuffix.warning(),) if text]


class Change:
    """What a change did, as lists of Rule: `added`, `changed` (another kind), `removed`, `unchanged`.

    `described`: names (str) of rules whose extras changed. `missing`: names (str) that were to be removed and are not
    there. True where something changed.
    """

    __slots__ = ("added", "changed", "removed", "unchanged", "described", "missing")

    def __init__(self) -> None:
        self.added: List[Rule] = []
        self.changed: List[Rule] = []
        self.removed: List[Rule] = []
        self.unchanged: List[Rule] = []
        self.described: List[str] = []
        self.missing: List[str] = []

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.described)


def open_configuration(readonly: bool = False) -> "Database":
    """Return the host's configuration Database; one to write is made where there is none."""
    from esmith.database import Database
    return Database("configuration", readonly=readonly, create=not readonly)


def load(db: "Optional[Database]" = None) -> Configuration:
    """Return the Configuration in `db` (a configuration Database; the host's where None).

    Raises DatabaseError where the database cannot be read. A bad entry is never an error: it is `ignored`.
    """
    if db is None:
        db = open_configuration(readonly=True)
    found = db.get(KEY)
    rule_set, ignored = parse("" if found is None else found.get("name"))
    return Configuration(found is not None and found.get("status") == ENABLED, rule_set, ignored)


def parse(value: str) -> "Tuple[RuleSet, List[Ignored]]":
    """Return (RuleSet, list of Ignored) of the record's `name` property (str)."""
    global _parsed
    # Kept for the next caller: one process serves several targets.
    if _parsed[0] != value:
        _parsed = (value, parse_list(value, publicsuffix.among))
    return _parsed[1]


def check(pairs: "Iterable[Tuple[str, str]]") -> "Tuple[List[Rule], List[RuleError]]":
    """Check (text, kind) pairs as add() would; return (list of Rule, list of RuleError)."""
    return parse_pairs(pairs, publicsuffix.among)


def add(new: "Iterable[Tuple[str, str]]", db: "Optional[Database]" = None, dry_run: bool = False) -> Change:
    """Add the Rules (or (name, kind) pairs) `new` in one write; a rule that is there takes the new kind.

    Returns a Change. Raises RuleError, with nothing changed, where one of them is refused, and DatabaseError.
    """
    return _merge(new, False, db, dry_run)


def replace(new: "Iterable[Tuple[str, str]]", db: "Optional[Database]" = None, dry_run: bool = False) -> Change:
    """Make the Rules `new` the only ones in one write, as add() does; ignored entries stay."""
    return _merge(new, True, db, dry_run)


def remove(names: "Iterable[str]", db: "Optional[Database]" = None, dry_run: bool = False) -> Change:
    """Remove the rules called `names` (iterable of str) in one write.

    An ignored entry goes by its name as it stands. Returns a Change. Raises DatabaseError.
    """
    wanted = list(names)

    def edit(kinds: "Dict[str, str]", ignored: "List[Ignored]", change: Change) -> "List[Ignored]":
        gone: Set[Ignored] = set()
        asides: Dict[str, List[Ignored]] = {}
        for entry in ignored:
            asides.setdefault(entry.name.strip(), []).append(entry)
        for text in wanted:
            hit = asides.get(text.strip(), [])
            try:
                name = text if text in kinds else parse_name(text)
            except RuleError:
                name = ""
            kind = kinds.pop(name, None)
            if kind:
                change.removed.append(Rule(name, kind))
            elif hit:
                change.removed.append(Rule(text, KIND_OF_FLAG.get(hit[-1].flag, HOST)))
            else:
                change.missing.append(text)
            gone.update(hit)
        return [entry for entry in ignored if entry not in gone]

    return _edit(edit, db, dry_run)


def remove_all(db: "Database") -> Change:
    """Remove every rule and every ignored entry in one write. Returns a Change. Raises DatabaseError."""
    def edit(kinds: "Dict[str, str]", ignored: "List[Ignored]", change: Change) -> "List[Ignored]":
        change.removed += [Rule(entry.name, KIND_OF_FLAG.get(entry.flag, HOST)) for entry in ignored]
        change.removed += [Rule(name, kind) for name, kind in kinds.items()]
        kinds.clear()
        return []

    return _edit(edit, db, False)


def restore(
    items: "Mapping[str, Optional[Mapping[str, str]]]", enabled: "Optional[bool]", change: Change, db: "Database",
) -> None:
    """Give each name of `items` the kind that it has there, or no rule for None, as state.State has them.

    `enabled`: the status to set, None for the one that is. What is done is added to `change`. What was ignored is
    ignored again. Raises DatabaseError, with nothing changed.
    """
    def edit(kinds: "Dict[str, str]", ignored: "List[Ignored]", change: Change) -> "List[Ignored]":
        kept = [entry for entry in ignored if item_name(entry.name, entry.flag) not in items]
        was = {item_name(entry.name, entry.flag): entry for entry in ignored}
        for name, item in items.items():
            old = kinds.pop(name, None) or (KIND_OF_FLAG.get(was[name].flag, was[name].flag) if name in was else None)
            new = item["kind"] if item else None
            if new in FLAG_OF_KIND and not check([(name, new)])[1]:
                kinds[name] = new
            elif new is not None:
                kept.append(Ignored(name, FLAG_OF_KIND.get(new, new), ""))
            if new is None and old:
                change.removed.append(Rule(name, old))
            elif new is not None and old != new:
                (change.changed if old else change.added).append(Rule(name, new))
        return kept

    with db.joined():
        _edit(edit, db, False, change)
        if enabled is not None:
            _set_status(ENABLED if enabled else DISABLED, db, False)


def item_name(name: str, flag: str) -> str:
    """Return the name (str) by which state.State knows an ignored entry of the list, as it stands there."""
    try:
        # It is refused today for its kind alone.
        return parse_name(name) if flag in KIND_OF_FLAG else name
    except RuleError:
        return name


def enable(db: "Optional[Database]" = None, dry_run: bool = False) -> bool:
    """Set the status to `enabled`; return True where it was not."""
    return _set_status(ENABLED, db, dry_run)


def disable(db: "Optional[Database]" = None, dry_run: bool = False) -> bool:
    """Set the status to `disabled`; return True where it was not."""
    return _set_status(DISABLED, db, dry_run)


def _merge(new: "Iterable[Tuple[str, str]]", alone: bool, db: "Optional[Database]", dry_run: bool) -> Change:
    accepted, errors = check(new)
    if errors:
        raise errors[0]

    def edit(kinds: "Dict[str, str]", ignored: "List[Ignored]", change: Change) -> "List[Ignored]":
        if alone:
            wanted = {rule.name for rule in accepted}
            for name in [name for name in kinds if name not in wanted]:
                change.removed.append(Rule(name, kinds.pop(name)))
        for rule in accepted:
            was = kinds.get(rule.name)
            if was == rule.kind:
                change.unchanged.append(rule)
                continue
            (change.added if was is None else change.changed).append(rule)
            kinds[rule.name] = rule.kind
        # What was refused under such a name is good now.
        return [entry for entry in ignored if tidy(entry.name) not in kinds]

    return _edit(edit, db, dry_run)


def _edit(edit: "_Edit", db: "Optional[Database]", dry_run: bool, change: "Optional[Change]" = None) -> Change:
    """Call `edit(kinds, ignored, change)`, which returns the ignored entries to keep; write the list."""
    if change is None:
        change = Change()
    if dry_run:
        _list_after(edit, open_configuration(readonly=True) if db is None else db, change)
        return change
    db = open_configuration() if db is None else db
    with db.joined():
        value = _list_after(edit, db, change)
        if value is not None:
            _write(db, {"name": value})
    return change


def _list_after(edit: "_Edit", db: "Database", change: Change) -> "Optional[str]":
    """Return the list to write, or None where nothing changed."""
    found = db.get(KEY)
    rule_set, ignored = parse("" if found is None else found.get("name"))
    kinds = dict(rule_set.kinds)
    kept = edit(kinds, ignored, change)
    if not change:
        return None
    # Such a value can be read, but not written (esmith.database), and no change may lose an entry.
    stuck = [printable(entry.name) for entry in kept if "|" in entry.name + entry.flag]
    if stuck:
        names = "' '".join(stuck)
        raise FormatError(f"the record {KEY} holds what a database cannot hold; nothing was changed. Take it out "
                          f"first: mxbackup remove '{names}'")
    return format_list(RuleSet(kinds).kinds.items(), kept)


def _write(db: "Database", props: "Dict[str, str]") -> None:
    found = db.get(KEY)
    if found is None:
        db.create(KEY, TYPE, dict({"name": "", "status": ENABLED}, **props))
    else:
        # A record without a status is new: it gets the one that the defaults give.
        found.merge(props if found.get("status") else dict({"status": ENABLED}, **props))


def _set_status(status: str, db: "Optional[Database]", dry_run: bool) -> bool:
    if db is None:
        db = open_configuration(readonly=dry_run)
    if dry_run:
        found = db.get(KEY)
        return found is None or found.get("status") != status
    with db.joined():
        found = db.get(KEY)
        if found is not None and found.get("status") == status:
            return False
        _write(db, {"status": status})
    return True
