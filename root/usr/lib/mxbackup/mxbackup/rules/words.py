"""The words for what a rule can have beside its name and kind. WORDS is their table: a new word is one line there."""

from mxbackup.rules import nexthop
from mxbackup.rules.rule import RuleError, parse_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

# What is longer is no note (characters).
LONGEST = 1000


class Word:
    """One thing that a rule can have.

    `key`: its name as a CSV column, a JSON key and a field of the panel, and, with hyphens, as an option. `prop`: its
    property in the database. `metavar` and `help`: for the option. `parse(text)`: the value as it is kept; raises
    RuleError.
    """

    __slots__ = ("key", "prop", "metavar", "help", "parse")

    def __init__(self, key: str, prop: str, metavar: str, help: str, parse: "Callable[[str], str]") -> None:  # noqa: A002
        self.key = key
        self.prop = prop
        self.metavar = metavar
        self.help = help
        self.parse = parse

    @property
    def option(self) -> str:
        return "--" + self.key.replace("_", "-")


def contact(text: str) -> str:
    """Return the mail address `text` as it is kept; raises RuleError."""
    local, at, domain = text.strip(" \t").rpartition("@")
    if not (at and local and local.isprintable() and not set(" ,;<>|\\@").intersection(local)):
        raise RuleError(text, "a contact is one mail address, as in postmaster@smithnet.com")
    try:
        return f"{local}@{parse_name(domain)}"
    except RuleError as error:
        raise RuleError(text, error.reason) from None


def note(text: str) -> str:
    """Return the note `text` as it is kept; raises RuleError for what the database's format cannot hold."""
    text = text.strip()
    if len(text) > LONGEST:
        raise RuleError(text, f"a note has at most {LONGEST} characters")
    if not text.isprintable() or "|" in text or "\\" in text:
        raise RuleError(text, "a note is one line of text without | and \\: the database cannot hold them")
    return text


WORDS = (
    Word("next_hop", "NextHop", "HOST[:PORT]", "pass the mail on to this host, not to those in DNS", nexthop.parse),
    Word("contact", "Contact", "ADDRESS", "the mail address of the people there", contact),
    Word("note", "Note", "TEXT", "a line for yourself", note),
)
