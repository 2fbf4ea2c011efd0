"""Rules to lines and back, for lists in which each rule gives lines of its own."""

from mxbackup.mailservers.shape import Unreadable
from mxbackup.rules import publicsuffix
from mxbackup.rules.rule import DOMAIN, HOST, TOO_WIDE, RuleError, parse_name, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import AbstractSet, Dict

    from mxbackup.mailservers.shape import Kinds, Lines


def text(
    kinds: "Kinds", host: str, domain: str, elsewhere: "AbstractSet[str]" = frozenset(), rest: str = ""
) -> str:
    """Return the lines of the rules `kinds` (dict name -> kind).

    `host`, `domain`: what a rule of that kind gives, a newline after each line, `%` standing for its name. Of a
    DOMAIN that stands `elsewhere` too, only the `rest` is given; of such a HOST nothing.
    """
    forms = {HOST: host, DOMAIN: domain}
    # One text: many small lists take longer.
    if not elsewhere:
        return "".join([forms[kind].replace("%", name) for name, kind in kinds.items()])
    rests = {HOST: "", DOMAIN: rest}
    return "".join([
        (rests if name in elsewhere else forms)[kind].replace("%", name) for name, kind in kinds.items()
    ])


def name(number: int, text: str) -> str:
    """Return the host name `text` in line `number` of a list; raises Unreadable."""
    try:
        if text != text.strip():
            raise RuleError(text, "begins with a blank")
        text.encode("ascii")
        return parse_name(text)
    except RuleError as error:
        raise Unreadable(f"line {number}: {error}") from None
    except UnicodeError:
        raise Unreadable(f"line {number}: {printable(text)}: is not ASCII") from None


def rules(plain: "Dict[str, int]", dotted: "Dict[str, int]") -> "Kinds":
    """Return the rules of names that stand alone and with a dot (dicts name -> line number).

    A DOMAIN stands both ways. Raises Unreadable for what no rule gives.
    """
    for found, number in dotted.items():
        if found not in plain:
            raise Unreadable(
                f"line {number}: no rule is for all names below {found} and not for {found} itself: add {found} to"
                " the list, or take the line out"
            )
    for found in publicsuffix.among(list(dotted)):
        raise Unreadable(f"line {dotted[found]}: {found} {TOO_WIDE}")
    return {found: DOMAIN if found in dotted else HOST for found in plain}


def rules_of_names(lines: "Lines") -> "Kinds":
    """Return the rules of lines `d` and `.d` as qmail's rcpthosts has them."""
    plain: Dict[str, int] = {}
    dotted: Dict[str, int] = {}
    for number, line in lines:
        # qmail drops blanks at the end of a line, and no others (qmail-control(5)).
        line = line.rstrip(" \t")
        if line.startswith("."):
            dotted.setdefault(name(number, line[1:]), number)
        else:
            plain.setdefault(name(number, line), number)
    return rules(plain, dotted)
