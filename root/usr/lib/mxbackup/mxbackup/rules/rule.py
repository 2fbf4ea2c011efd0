"""Backup MX rules: names, kinds, the flat list that holds them. It knows nothing of files.

A rule is a HOST (that name alone) or a DOMAIN (the name and everything below it).
"""

from mxbackup.rules import idn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Union

    _Two = Tuple[str, str]
    _Three = Tuple[str, str, str]
else:
    _Two = _Three = tuple

HOST = "HOST"
DOMAIN = "DOMAIN"
KIND_OF_FLAG = {"0": HOST, "1": DOMAIN}
FLAG_OF_KIND = {HOST: "0", DOMAIN: "1"}

TOO_WIDE = "is a public suffix: as a DOMAIN it would open the relay to strangers"

_NAME_OCTETS = b"abcdefghijklmnopqrstuvwxyz0123456789-.,"
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")


class RuleError(ValueError):
    """A rule is refused; `name` is what was given, `reason` says why (both str)."""

    def __init__(self, name: str, reason: str) -> None:
        shown = printable(name) or "''"
        ValueError.__init__(self, f"{shown}: {reason}")
        self.name = name
        self.reason = reason


class Rule(_Two):
    """One rule: `name` (str, an A-label host name in lower case) and `kind` (HOST or DOMAIN)."""

    __slots__ = ()

    def __new__(cls, name: str, kind: str = HOST) -> "Rule":
        return tuple.__new__(cls, (name, kind))

    @property
    def name(self) -> str:
        return self[0]

    @property
    def kind(self) -> str:
        return self[1]

    def __repr__(self) -> str:
        return f"Rule({self[0]!r}, {self[1]!r})"


class RuleSet:
    """Rules in output order, each name once: iterate for `Rule`s; `kinds` is the dict name -> kind."""

    # One dict, no object for each rule: a hundred thousand of them must cost little.
    __slots__ = ("kinds",)

    def __init__(self, kinds: "Union[Mapping[str, str], Iterable[Tuple[str, str]]]" = ()) -> None:
        """`kinds`: a dict or pairs (name, kind) of names that parse_name() returned; a later pair wins."""
        kinds = dict(kinds)
        names = list(kinds)
        ordered = sorted(names, key=order)
        self.kinds = kinds if ordered == names else {name: kinds[name] for name in ordered}

    def __iter__(self) -> "Iterator[Rule]":
        return (Rule(name, kind) for name, kind in self.kinds.items())

    def __len__(self) -> int:
        return len(self.kinds)

    def __contains__(self, rule: "Union[Tuple[str, str], str]") -> bool:
        """`rule`: a Rule, or a name (str)."""
        if isinstance(rule, tuple):
            return self.kinds.get(rule[0]) == rule[1]
        return rule in self.kinds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RuleSet) and self.kinds == other.kinds

    def __repr__(self) -> str:
        return f"RuleSet({list(self.kinds.items())!r})"


class Ignored(_Three):
    """An entry of the list that is no rule: `name` and `flag` as they stand there, `reason` (all str)."""

    __slots__ = ()

    def __new__(cls, name: str, flag: str, reason: str) -> "Ignored":
        return tuple.__new__(cls, (name, flag, reason))

    @property
    def name(self) -> str:
        return self[0]

    @property
    def flag(self) -> str:
        return self[1]

    @property
    def reason(self) -> str:
        return self[2]


def order(name: str) -> str:
    """Return the sort key (str) of `name`: its labels from the right, `mail.bar.org` as org, bar, mail."""
    # NUL sorts below every octet of a label, so a shorter label comes first, as in a tuple of labels.
    return "\0".join(name.split(".")[::-1])


def printable(text: str) -> str:
    """Return `text` (str, perhaps with escaped bytes) fit for one line of a message."""
    shown = text if text.isprintable() else ascii(text)[1:-1]
    return shown if len(shown) <= 300 else shown[:297] + "..."


def fault(names: "Sequence[str]") -> "Optional[str]":
    """Say what is wrong among `names` (list of str), or None where all are host names.

    A host name here has the syntax of RFC 1035 2.3.1 and RFC 1123 2.1, at least two labels of at most 63
    octets, at most 253 octets in all, and no top label of digits alone (it would be an address); it is in
    lower case, without a final dot.
    """
    if not names:
        return None
    # Every test runs over all names at once: this is what makes a hundred thousand of them quick.
    try:
        text = ("," + ",".join(names) + ",").encode("ascii")
    except UnicodeError:
        return "is not ASCII"
    if text.translate(None, _NAME_OCTETS) or text.count(b",") > len(names) + 1:
        return "a host name holds letters, digits, hyphens and dots only"
    if b".." in text or b",." in text or b".," in text or b",," in text:
        return "has an empty label"
    if b",-" in text or b".-" in text or b"-." in text or b"-," in text:
        return "a label begins or ends with a hyphen"
    if [name for name in names if "." not in name]:
        return "a host name has at least two labels, as in smithnet.com"
    longest = max(map(len, names))
    if longest > 253:
        return "is longer than 253 octets"
    # In 65 octets there is no room for a longer label beside another one.
    if longest > 65 and any(len(label) > 63 for name in names for label in name.split(".")):
        return "has a label longer than 63 octets"
    digit_last = b"0," in text.translate(_DIGITS_TO_ZERO)
    if digit_last and any(name.rpartition(".")[2].isdigit() for name in names):
        return "its last label is all digits: an address is no host name"
    return None


def faulty(names: "Sequence[str]") -> "Set[str]":
    """Return the set of those in the list `names` that are no host names as fault() defines them."""
    if fault(names) is None:
        return set()
    if len(names) == 1:
        return set(names)
    step = max(1, len(names) // 16)
    return set().union(*(faulty(names[i:i + step]) for i in range(0, len(names), step)))


def parse_name(text: str) -> str:
    """Return the host name `text` (str) in the form that is kept: lower case, A-labels, no final dot.

    Raises RuleError.
    """
    name = text
    try:
        name.encode("ascii")
    except UnicodeError:
        try:
            name = idn.a_labels(text.strip(" \t"))
        except ValueError as error:
            raise RuleError(text, str(error)) from None
    name = tidy(name)
    reason = "is empty" if not name else fault([name])
    if reason:
        raise RuleError(text, _meant(name) or reason)
    return name


def tidy(text: str) -> str:
    """Return `text` (str) without what surrounds a name: blanks, a final dot, upper case."""
    name = text.strip(" \t").lower()
    return name[:-1] if name.endswith(".") else name


def parse_pairs(
    pairs: "Iterable[Tuple[str, str]]", public_suffixes: "Callable[[List[str]], Iterable[str]]",
) -> "Tuple[List[Rule], List[RuleError]]":
    """Check many rules at once; return (list of Rule in the order given, list of RuleError).

    `pairs`: (text, kind) each; `public_suffixes` as for parse_list().
    """
    pairs = list(pairs)
    unclean = faulty([text for text, _ in pairs])
    found: List[Rule] = []
    errors: List[RuleError] = []
    for text, kind in pairs:
        if text in unclean:
            try:
                found.append(Rule(parse_name(text), kind))
            except RuleError as error:
                errors.append(error)
        else:
            found.append(Rule(text, kind))
    wide = set(public_suffixes([name for name, kind in found if kind == DOMAIN]))
    if wide:
        errors += [RuleError(name, TOO_WIDE) for name, kind in found if kind == DOMAIN and name in wide]
        found = [rule for rule in found if rule.kind != DOMAIN or rule.name not in wide]
    return found, errors


def parse_list(
    value: str, public_suffixes: "Callable[[List[str]], Iterable[str]]",
) -> "Tuple[RuleSet, List[Ignored]]":
    """Parse the flat list `value` (str) of NAME,FLAG; return (RuleSet, list of Ignored). It never raises.

    `public_suffixes`: a function that returns those of a list of names that are public suffixes, as
    `publicsuffix.among`. Of two entries of one name the last wins; a flag that is missing or empty is a HOST.
    """
    parts = value.split(",")
    if len(parts) % 2:
        # A last name without a flag; after a final comma, or in an empty list, there is not even a name.
        parts = parts + [""] if parts[-1].strip(" \t") else parts[:-1]
    names, flags = parts[::2], parts[1::2]
    ignored: List[Ignored] = []
    written: Dict[str, str] = {}
    if fault(names) is None and set(flags) <= {"0", "1"}:
        kinds = dict(zip(names, map(KIND_OF_FLAG.__getitem__, flags)))
    else:
        kinds, written = _read_each(names, flags, ignored)
    domains = [name for name, kind in kinds.items() if kind == DOMAIN]
    for name in public_suffixes(domains):
        del kinds[name]
        ignored.append(Ignored(written.get(name, name), "1", TOO_WIDE))
    return RuleSet(kinds), ignored


def format_list(rules: "Iterable[Tuple[str, str]]", ignored: "Iterable[Ignored]" = ()) -> str:
    """Return the flat list (str) of `rules` (RuleSet or Rules), after the `ignored` entries as they stood."""
    # The list ends with a rule where there is one: no value may end in a backslash.
    entries = [f"{entry[0]},{entry[1]}" for entry in ignored]
    entries += [name + "," + FLAG_OF_KIND[kind] for name, kind in rules]
    return ",".join(entries)


def _meant(text: str) -> str:
    """Say what to type instead of `text` (str), which is no host name, where that can be told; else ""."""
    for form, before, after in (("is a mail address", "@", ""), ("is a URL", "://", "/")):
        name = text.rpartition(before)[2].partition(after)[0] if after else text.rpartition(before)[2]
        if before in text and name and not fault([name]):
            return f"{form}; a rule has its domain alone: {name}"
    name = text[2:] if text.startswith("*.") else text.lstrip(".")
    if name != text and name and not fault([name]):
        return f"for {name} and everything below it: {name} --domain, or {name} DOMAIN in a list"
    return ""


def _read_each(
    names: "List[str]", flags: "List[str]", ignored: "List[Ignored]",
) -> "Tuple[Dict[str, str], Dict[str, str]]":
    """Return the dicts name -> kind and name -> name as written; append what is no rule to `ignored`."""
    kinds: Dict[str, str] = {}
    written: Dict[str, str] = {}
    bad: Dict[str, Ignored] = {}
    unclean = faulty(names)
    for given, flag in zip(names, flags):
        if not (given.strip(" \t") or flag.strip(" \t")):
            continue
        kind = KIND_OF_FLAG.get(flag.strip(" \t") or "0")
        name = given
        reason = "" if kind else f"its flag is {printable(flag)}, neither 0 (HOST) nor 1 (DOMAIN)"
        if given in unclean:
            try:
                name = parse_name(given)
            except RuleError as error:
                reason = error.reason
        if reason or not kind:
            bad[given] = Ignored(given, flag, reason)
        else:
            kinds[name] = kind
            written[name] = given
    ignored.extend(bad.values())
    return kinds, written
