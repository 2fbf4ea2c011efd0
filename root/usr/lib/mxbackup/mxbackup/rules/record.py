"""The record `mxbackup` of the configuration database: what it says, and changes to it."""

from esmith.errors import FormatError
from mxbackup.rules import publicsuffix
from mxbackup.rules.rule import (
    HOST,
    KIND_OF_FLAG,
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

KEY = "mxbackup"
TYPE = "service"
ENABLED = "enabled"
DISABLED = "disabled"

_parsed = (None, None)


class Configuration:
    """What the database says: `enabled` (bool), `rules` (RuleSet), `ignored` (list of Ignored).

    `warnings` is a list of str.
    """

    __slots__ = ("enabled", "rules", "ignored")

    def __init__(self, enabled, rule_set, ignored):
        self.enabled = enabled
        self.rules = rule_set
        self.ignored = ignored

    @property
    def warnings(self):
        return [text for text in (publicsuffix.warning(),) if text]


class Change:
    """What a change did, as lists of Rule: `added`, `changed` (another kind), `removed`, `unchanged`.

    `missing`: names (str) that were to be removed and are not there. True where something changed.
    """

    __slots__ = ("added", "changed", "removed", "unchanged", "missing")

    def __init__(self):
        self.added, self.changed, self.removed, self.unchanged, self.missing = [], [], [], [], []

    def __bool__(self):
        return bool(self.added or self.changed or self.removed)


def open_configuration(readonly=False):
    """Return the host's configuration Database; one to write is made where there is none."""
    from esmith.database import Database
    return Database("configuration", readonly=readonly, create=not readonly)


def load(db=None):
    """Return the Configuration in `db` (a configuration Database; the host's where None).

    Raises DatabaseError where the database cannot be read. A bad entry is never an error: it is `ignored`.
    """
    if db is None:
        db = open_configuration(readonly=True)
    found = db.get(KEY)
    rule_set, ignored = parse("" if found is None else found.get("name"))
    return Configuration(found is not None and found.get("status") == ENABLED, rule_set, ignored)


def parse(value):
    """Return (RuleSet, list of Ignored) of the record's `name` property (str)."""
    global _parsed
    # Kept for the next caller: one process serves several targets.
    if _parsed[0] != value:
        _parsed = (value, parse_list(value, publicsuffix.among))
    return _parsed[1]


def check(pairs):
    """Check (text, kind) pairs as add() would; return (list of Rule, list of RuleError)."""
    return parse_pairs(pairs, publicsuffix.among)


def add(new, db=None, dry_run=False):
    """Add the Rules (or (name, kind) pairs) `new` in one write; a rule that is there takes the new kind.

    Returns a Change. Raises RuleError, with nothing changed, where one of them is refused, and DatabaseError.
    """
    return _merge(new, False, db, dry_run)


def replace(new, db=None, dry_run=False):
    """Make the Rules `new` the only ones in one write, as add() does; ignored entries stay."""
    return _merge(new, True, db, dry_run)


def _merge(new, alone, db, dry_run):
    accepted, errors = check(new)
    if errors:
        raise errors[0]

    def edit(kinds, ignored, change):
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


def remove(names, db=None, dry_run=False):
    """Remove the rules called `names` (iterable of str) in one write.

    An ignored entry goes by its name as it stands. Returns a Change. Raises DatabaseError.
    """
    wanted = list(names)

    def edit(kinds, ignored, change):
        gone = set()
        asides = {}
        for entry in ignored:
            asides.setdefault(entry.name.strip(), []).append(entry)
        for text in wanted:
            hit = asides.get(text.strip(), ())
            try:
                name = text if text in kinds else parse_name(text)
            except RuleError:
                name = None
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


def enable(db=None, dry_run=False):
    """Set the status to `enabled`; return True where it was not."""
    return _set_status(ENABLED, db, dry_run)


def disable(db=None, dry_run=False):
    """Set the status to `disabled`; return True where it was not."""
    return _set_status(DISABLED, db, dry_run)


def _edit(edit, db, dry_run):
    """Call `edit(kinds, ignored, change)`, which returns the ignored entries to keep; write the list."""
    change = Change()
    if dry_run:
        _list_after(edit, open_configuration(readonly=True) if db is None else db, change)
        return change
    db = open_configuration() if db is None else db
    with db.transaction():
        value = _list_after(edit, db, change)
        if change:
            _write(db, {"name": value})
    return change


def _list_after(edit, db, change):
    found = db.get(KEY)
    rule_set, ignored = parse("" if found is None else found.get("name"))
    kinds = dict(rule_set.kinds)
    kept = edit(kinds, ignored, change)
    if not change:
        return None
    # Such a value can be read, but not written (esmith.database), and no change may lose an entry.
    stuck = [printable(entry.name) for entry in kept if "|" in entry.name + entry.flag]
    if stuck:
        raise FormatError("the record {} holds what a database cannot hold; nothing was changed. Take it out "
                          "first: mxbackup remove '{}'".format(KEY, "' '".join(stuck)))
    return format_list(RuleSet(kinds).kinds.items(), kept)


def _write(db, props):
    found = db.get(KEY)
    if found is None:
        db.create(KEY, TYPE, dict({"name": "", "status": ENABLED}, **props))
    else:
        # A record without a status is new: it gets the one that the defaults give.
        found.merge(props if found.get("status") else dict({"status": ENABLED}, **props))


def _set_status(status, db, dry_run):
    if db is None:
        db = open_configuration(readonly=dry_run)
    if dry_run:
        found = db.get(KEY)
        return found is None or found.get("status") != status
    with db.transaction():
        found = db.get(KEY)
        if found is not None and found.get("status") == status:
            return False
        _write(db, {"status": status})
    return True
