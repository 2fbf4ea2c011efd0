"""The names that this host delivers itself, and who says so: none of them may be a rule.

qmail would deliver their mail locally whatever the rule says, `smtproutes` would send a delegated domain's by DNS,
and `goodrcptto` would open all of its addresses.
"""

from esmith.database import Database
from esmith.errors import EsmithError
from mxbackup import mailservers
from mxbackup.host import identity
from mxbackup.rules.rule import FLAG_OF_KIND, Ignored, RuleError, parse_name, tidy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterable, List, Mapping, Tuple

    from mxbackup.rules.lists import Entry, Refusal
    from mxbackup.rules.record import Configuration

    # Name -> who says so.
    Names = Dict[str, str]

# What is said of such a rule, before who says so.
REASON = "this host delivers its mail itself, by "


def names(db: Database) -> "Names":
    """Return {name in lower case: who says that this host delivers it itself}; `db`: configuration.

    A name with a dot before it stands for all below it, "" for all that nothing else is said of, and where nobody
    says so ("") that is an exception from such a one. Raises EsmithError where it cannot be told.
    """
    found: Names = {}
    for name, who in identity.names(db, Database("domains", readonly=True)):
        found.setdefault(tidy(name), who)
    for server in mailservers.servers():
        for name, who in server.own_names(db) if server.own_names else ():
            found.setdefault(tidy(name), who)
    return found


def who(name: str, own: "Mapping[str, str]") -> str:
    """Return who says that this host delivers `name` itself, "" where nobody does; `own`: what names() returned."""
    if name in own:
        return own[name]
    labels = name.split(".")
    for start in range(1, len(labels)):
        below = "." + ".".join(labels[start:])
        if below in own:
            return own[below]
    return own.get("", "")


def among(wanted: "Iterable[str]", own: "Mapping[str, str]") -> "Names":
    """Return {name: who says so} of those of `wanted` that this host delivers itself."""
    if not isinstance(wanted, dict):
        wanted = dict.fromkeys(wanted)
    if not any(name[:1] in ("", ".") for name in own):
        # A hundred thousand rules are not looked at one by one.
        wanted = [name for name in own if name in wanted]
    found = {name: who(name, own) for name in wanted}
    return {name: sayer for name, sayer in found.items() if sayer}


def parted(kinds: "Dict[str, str]", db: Database) -> "Tuple[Dict[str, str], Names]":
    """Return (the rules of `kinds` that are for no own name, {own name among them: who says so}).

    Raises EsmithError.
    """
    mine = among(kinds, names(db))
    return ({name: kind for name, kind in kinds.items() if name not in mine} if mine else kinds), mine


def ignored(configuration: "Configuration", db: Database) -> "List[Ignored]":
    """Return the entries of the record that are in no file: those that are no rules, and rules for own names.

    Where the own names cannot be told the files cannot be made either, and that is told of them.
    """
    kinds = configuration.rules.kinds
    try:
        mine = parted(kinds, db)[1] if kinds else {}
    except EsmithError:
        mine = {}
    return configuration.ignored + [Ignored(name, FLAG_OF_KIND[kinds[name]], REASON + mine[name]) for name in mine]


def refusals(
    entries: "Iterable[Entry]", rules: "Iterable[Tuple[str, str]]", kinds: "Mapping[str, str]", db: Database,
) -> "List[Refusal]":
    """Return a Refusal for each of `entries` that would make a rule for an own name.

    `rules`: what the entries make; `kinds` (dict name -> kind): those that are there. Raises EsmithError.
    """
    new = [name for name, kind in rules if kinds.get(name) != kind]
    mine = among(new, names(db)) if new else {}
    if not mine:
        return []
    # Not at the top: its JSON costs each expansion more than all of this.
    from mxbackup.rules.lists import Refusal

    return [
        Refusal(entry.source, entry.line, entry.name, REASON + mine[name])
        for entry, name in [(entry, _kept(entry.name)) for entry in entries]
        if name in mine
    ]


def _kept(text: str) -> str:
    try:
        return parse_name(text)
    except RuleError:
        return ""
