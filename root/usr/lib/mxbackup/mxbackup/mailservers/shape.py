"""The shape of a mail server: what it is told (Wanted), its files (MailFile), what it does beyond them (MailServer).

Whoever asks goes through these and knows no server by name.
"""

import os

from esmith.errors import EsmithError
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, ContextManager, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

    from typing_extensions import Protocol

    from esmith.database import Database

    Say = Callable[[str], None]
    Lines = Iterable[Tuple[int, str]]
    Kinds = Dict[str, str]
    # Whether the mail is lost, a sentence on what becomes of it, and what to do.
    Fate = Tuple[bool, str, str]

    class MX(Protocol):
        """An MX record by preference: `own` tells that it leads to this host in whatever way."""

        @property
        def preference(self) -> int: ...
        @property
        def name(self) -> str: ...
        @property
        def addresses(self) -> List[str]: ...
        @property
        def own(self) -> bool: ...


class Unknown(EsmithError):
    """A mail server cannot tell what it was asked; the text says why."""


class Unreadable(Exception):
    """A list of an older method holds something that is no rule; the text says where and what."""


class Wanted:
    """What a mail server is to do, as far as it gets to see.

    `in_force`: dict name -> HOST or DOMAIN in output order; empty where the rules are off or withheld.
    `smart_host`: str as this server sees it, "" where mail goes out by DNS. `next_hops`: dict name -> next hop as
    rules.nexthop.parse() returns it, of those rules in force that have one: their mail goes there, not by DNS.
    """

    __slots__ = ("in_force", "smart_host", "next_hops")

    def __init__(self, in_force: "Kinds", smart_host: str = "", next_hops: "Optional[Dict[str, str]]" = None) -> None:
        self.in_force = in_force
        self.smart_host = smart_host
        self.next_hops = next_hops or {}


class MailFile:
    """One list that one fragment writes.

    `name`: what fragments call it; files of one name hold the same entries. `path`: str, not rooted. `reader`: the
    program that reads it. `absent`: what a missing file does, or "". `read(lines)`: the rules (dict name -> kind) of
    an older method's static lines, (number, text) each, raising Unreadable for a line that is no rule; None where
    such lines follow from those of another file. `beside`: paths of what the same program reads with it, where it is
    there. `whole`: nobody else's lines are in it: nothing is adopted, and an erase removes it.
    """

    __slots__ = ("name", "path", "reader", "absent", "beside", "read", "whole", "_applies", "_text")

    def __init__(
        self,
        name: str,
        path: str,
        reader: str,
        applies: "Callable[[str], bool]",
        text: "Callable[[Wanted], str]",
        absent: str = "",
        read: "Optional[Callable[[Lines], Kinds]]" = None,
        beside: "Tuple[str, ...]" = (),
        whole: bool = False,
    ) -> None:
        self.name = name
        self.path = path
        self.reader = reader
        self.absent = absent
        self.beside = beside
        self.whole = whole
        self._applies = applies
        self._text = text
        self.read = read

    def applies(self) -> bool:
        """Tell whether this host has the file, or a mail server that would read it."""
        return self._applies(self.path)

    def text(self, wanted: Wanted) -> str:
        """Return the entries that the file gets, a newline after each."""
        return self._text(wanted)

    def entries(self, wanted: Wanted) -> "List[str]":
        """Return the same as a list."""
        return self._text(wanted).split("\n")[:-1]

    def __repr__(self) -> str:
        return f"MailFile({self.name!r}, {self.path!r})"


class MailServer:
    """One mail server: its `name`, its `files` (tuple of MailFile), and hooks, each None where it has none.

    update(wanted, say)   context manager around the writing of its files, which brings up to date what it keeps
                          beyond them; nothing wanted is withdrawal. What it yields has `well` (bool) afterwards:
                          False where something is not as wanted, which `say` (takes a line) was told.
    pending(wanted)       yields (path, sentence) for each thing beyond its files that it keeps for the rules: what
                          update() would change there, "" where that is as wanted
    own_names(db)         iterable of (name, where that is said) of what the server delivers itself; `db`:
                          configuration Database. `.name` is all below a name, "" all else; where "" says so it is an
                          exception
    smart_host(db)        str, "" where mail goes out by DNS
    route(name)           (next hop as str, "" for DNS; the path that says so) in force now for mail to `name`; None
                          where it routes no mail on this host
    fate(exchangers)      yields (lost, sentence, remedy) for each way in which mail with these MX records (sequence
                          of MX) goes wrong here; nothing where the server delivers none on this host

    Each may raise Unknown.
    """

    __slots__ = ("name", "files", "update", "pending", "own_names", "smart_host", "route", "fate")

    def __init__(
        self,
        name: str,
        files: "Tuple[MailFile, ...]",
        update: "Optional[Callable[[Wanted, Say], ContextManager[Update]]]" = None,
        pending: "Optional[Callable[[Wanted], Iterator[Tuple[str, str]]]]" = None,
        own_names: "Optional[Callable[[Database], Iterable[Tuple[str, str]]]]" = None,
        smart_host: "Optional[Callable[[Database], str]]" = None,
        route: "Optional[Callable[[str], Optional[Tuple[str, str]]]]" = None,
        fate: "Optional[Callable[[Sequence[MX]], Iterator[Fate]]]" = None,
    ) -> None:
        self.name = name
        self.files = files
        self.update = update
        self.pending = pending
        self.own_names = own_names
        self.smart_host = smart_host
        self.route = route
        self.fate = fate

    def applies(self) -> bool:
        """Tell whether this host has the server, as far as one of its files applies."""
        return any(file.applies() for file in self.files)

    def __repr__(self) -> str:
        return f"MailServer({self.name!r})"


class Update:
    """What an update hook yields."""

    well = True


def folder_exists(path: str) -> bool:
    """Tell whether the folder of `path` (not rooted) is there."""
    return os.path.isdir(rooted(os.path.dirname(path)))


def file_exists(path: str) -> bool:
    """Tell whether `path` (not rooted) is a file."""
    return os.path.isfile(rooted(path))
