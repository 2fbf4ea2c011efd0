"""Whether a domain's MX records make this host its backup: the how-to's `host -t mx smithnet.com 1.2.3.4`."""

import socket
from collections import namedtuple

from mxbackup.check.verdict import FAULT, GOOD, NOTE, UNCHECKED, Finding
from mxbackup.network.address import Deadline, at_home, is_local, parse_address, printable
from mxbackup.network.dns import Answer, Circle, Directory, DNSError, Nonexistent, ask
from mxbackup.network.smtp import PORT as SMTP_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, List, NamedTuple, Optional, Sequence, Tuple

    # MX records: preference and name of each.
    _Records = Sequence[Tuple[int, str]]
    # Takes level, text and perhaps remedy of a finding.
    _Found = Callable[..., None]

    class Exchanger(NamedTuple):
        preference: int
        name: str
        addresses: List[str]
        own: bool
else:
    Exchanger = namedtuple("Exchanger", "preference name addresses own")
Exchanger.__doc__ = "An MX: preference (int), name (str), addresses (list of str), own (bool): this host."

# A zone with more MX records than this is no honest one.
MOST_EXCHANGERS = 10
PORT_SECONDS = 5


class Identity:
    """Who the server under test is: its `names` and `addresses` (str); `here` if it is on this machine."""

    def __init__(
        self, names: "Iterable[str]" = (), addresses: "Iterable[str]" = (), here: bool = False,
    ) -> None:
        self.names = [name.lower().rstrip(".") for name in names]
        self.addresses = set(filter(None, map(parse_address, addresses)))
        self.here = here

    def __str__(self) -> str:
        return (self.names + sorted(map(str, self.addresses)) + ["this host"])[0]

    def is_own(self, name: str, addresses: "Iterable[str]") -> bool:
        """Tell whether the host `name`, with `addresses`, is that server."""
        return name in self.names or any(map(self._has, addresses))

    def _has(self, address: str) -> bool:
        parsed = parse_address(address)
        # A loopback address in DNS is whoever asks.
        if parsed is None or parsed.is_loopback:
            return False
        return parsed in self.addresses or self.here and is_local(address)


def check(
    domain: str, identity: Identity, directory: Directory, deadline: Deadline, transcript: "List[str]",
    knock: bool = True, next_hop: str = "",
) -> "Tuple[List[Finding], List[Exchanger]]":
    """Look at the MX records of `domain`; return (findings, exchangers).

    `transcript`, a list, gets the lines that host(1) would show. `knock` tells whether to see if the primary
    answers. `next_hop` is where this host hands the mail to, whatever DNS says, or "".
    `exchangers` is the list of Exchanger by preference, empty where DNS did not tell.
    """
    findings: List[Finding] = []

    def found(level: str, text: str, remedy: str = "") -> None:
        findings.append(Finding("dns", level, text, remedy))

    try:
        records = _records(domain, directory, deadline, transcript, found)
    except Nonexistent:
        found(FAULT, *_nonexistent(domain))
        return findings, []
    except Circle as error:
        found(FAULT, str(error), "let one of these names have MX records itself")
        return findings, []
    except DNSError as error:
        found(UNCHECKED, str(error),
              "try again; or ask one of the domain's own name servers: --nameserver ADDRESS")
        return findings, []
    if not records:
        return findings, []
    exchangers = _look_up(records, identity, directory, deadline, found, bool(next_hop))
    own = [exchanger for exchanger in exchangers if exchanger.own]
    others = [exchanger for exchanger in exchangers if not exchanger.own]
    if not own and any(finding.level == UNCHECKED for finding in findings):
        # One whose address nobody could tell may be this host.
        return findings, exchangers
    if not own:
        found(FAULT, f"{identity} is not among its MXs: " + _list(records),
              f"in the domain's public DNS add: {domain}. IN MX {min(records[-1][0] + 10, 65535)} "
              f"{identity.names[0] if identity.names else 'THIS.HOST'}.")
    elif next_hop:
        found(GOOD, f"{own[0].name} ({own[0].preference}) is an MX, and hands the mail to the next hop {next_hop}")
    elif not others:
        found(FAULT, f"{identity} is its only MX: there is no primary to hand the mail to",
              "add an MX record for the primary, with a lower number; or, where it is to be hidden, give the rule a "
              f"next hop: mxbackup add {domain} --next-hop HOST")
    elif own[0].preference < others[0].preference:
        found(FAULT, f"{own[0].name} is its primary MX ({own[0].preference}), before {others[0].name} "
                     f"({others[0].preference}): mail would stay here",
              f"give {own[0].name} a number higher than {others[0].preference}")
    elif own[0].preference == others[0].preference:
        found(FAULT, f"{own[0].name} and {others[0].name} have the same number ({own[0].preference}): "
                     "half of the mail comes here first",
              f"give {own[0].name} a number higher than {own[0].preference}")
    else:
        found(GOOD, f"{own[0].name} ({own[0].preference}) is an MX behind "
                    f"{others[0].name} ({others[0].preference})")
    if others and knock:
        _knock(others[0], deadline, found)
    return findings, exchangers


def seen_here(
    domain: str, exchangers: "List[Exchanger]", identity: Identity, directory: Directory, deadline: Deadline,
) -> "Tuple[List[Finding], List[Exchanger]]":
    """Return (findings, the exchangers of `domain` as this host's own resolvers tell them).

    The host's mail server goes by these, whatever the domain's name servers tell the world in `exchangers`.
    """
    findings: List[Finding] = []

    def found(level: str, text: str, remedy: str = "") -> None:
        findings.append(Finding("dns", level, text, remedy))

    try:
        records: _Records = directory.exchangers_here(domain, deadline)
        world = [(each.preference, each.name) for each in exchangers]
        if records == world or len(world) >= MOST_EXCHANGERS:
            return [], exchangers
        found(NOTE, f"this host's name server says {_list(records) or 'nothing'}, where the domain's own say "
                    f"{_list(world)}: mail here goes by the former", "look at the name server in resolv.conf")
        return findings, _look_up(records, identity, directory, deadline, found) if records else []
    except DNSError as error:
        found(UNCHECKED, f"where mail goes from here: {error}", "try again")
        return findings, []


def check_below(
    domain: str, name: str, identity: Identity, directory: Directory, deadline: Deadline
) -> "List[Finding]":
    """Look at the MX records of `name`, which nobody has, below `domain`; return findings.

    It has some by a wildcard (RFC 4592), or none: then there is nothing to say.
    """
    try:
        answer = ask(directory.of(domain, deadline)[0], name, "MX", deadline)
        found = _look_up(answer.records, identity, directory, deadline, lambda *_: None) if answer.records else []
    except DNSError:
        # The domain's own records are asked for, too, and say so.
        return []
    if not found or not all(exchanger.own for exchanger in found):
        return []
    return [Finding("dns", FAULT, f"names below {domain} have no MX but this host: there is no primary to hand the "
                                  "mail to",
                    f"give *.{domain} an MX record for the primary, with a lower number, too; or make the rule a "
                    "HOST")]


def _nonexistent(domain: str) -> "Tuple[str, str]":
    return f"{domain} does not exist in DNS", "look at the spelling, or have it added there"


def _as_host_shows(domain: str, answer: Answer) -> "List[str]":
    """Return the lines (list of str) that `host -t mx` shows of an Answer."""
    if answer.rcode != "NOERROR":
        return [f"Host {domain} not found: {answer.rcode}"]
    alias = [f"{domain} is an alias for {answer.alias}."] * bool(answer.alias)
    owner = answer.alias or domain
    lines = [f"{owner} mail is handled by {preference} {name}." for preference, name in answer.records]
    return [printable(line) for line in alias + (lines or [f"{owner} has no MX record"])]


def _list(records: "_Records") -> str:
    shown = ", ".join(f"{name} ({preference})" for preference, name in records[:MOST_EXCHANGERS])
    return shown + (", ..." if len(records) > MOST_EXCHANGERS else "")


def _records(
    domain: str, directory: Directory, deadline: Deadline, transcript: "List[str]", found: "_Found",
) -> "_Records":
    """Return the MX records [(preference, name), ...] of the first name server that answers."""
    first: Optional[Answer] = None
    trouble: Optional[DNSError] = None
    servers = directory.of(domain, deadline)
    for server in servers:
        try:
            transcript += ["Using domain server:", f"Name: {server.host}",
                           f"Address: {server.host}#{server.port}", "Aliases: ", ""]
            answer = ask(server, domain, "MX", deadline)
            transcript += _as_host_shows(domain, answer)
            if answer.rcode not in ("NOERROR", "NXDOMAIN"):
                raise DNSError(f"{server}, asked for MX of {domain}: {answer.rcode}")
            if not answer.authoritative and not answer.records:
                raise DNSError(f"{server}, asked for MX of {domain}: "
                               "it does not know, the zone is not its own")
        except Circle:
            raise
        except DNSError as error:
            trouble = error
            continue
        if first is None:
            first, first_server = answer, server
        elif answer.records != first.records:
            found(NOTE, "the name servers do not agree: "
                        f"{first_server} says {_list(first.records) or 'nothing'}, "
                        f"{server} says {_list(answer.records) or 'nothing'}",
                  "wait until the zone is the same everywhere, and look again")
    if first is None:
        raise trouble or DNSError(f"{domain}: no name servers found for it")
    if trouble:
        found(NOTE, str(trouble), "repair or remove that name server")
    if first.rcode == "NXDOMAIN":
        found(FAULT, *_nonexistent(domain))
    elif not first.records and first.alias:
        found(UNCHECKED, f"{domain} is an alias (CNAME) of {first.alias}, "
                         f"whose MX records {first_server} does not tell",
              f"check {first.alias} instead")
    elif not first.records:
        found(FAULT, f"{domain} has no MX record",
              "add MX records for the primary and, with a higher number, this host")
    elif any(not name for _, name in first.records):
        found(FAULT, f"{domain} says by a null MX that it takes no mail (RFC 7505)",
              "replace that record by MX records for the primary and, with a higher number, this host")
        return []
    records: _Records = first.records
    return records


def _look_up(
    records: "_Records", identity: Identity, directory: Directory, deadline: Deadline, found: "_Found",
    hidden: bool = False,
) -> "List[Exchanger]":
    """Return the records as Exchangers, with their addresses; report those that no sender can use.

    `hidden` tells that the primary need not be among them.
    """
    exchangers = []
    primary = records[0][0]
    for index, (preference, name) in enumerate(records):
        named = name in identity.names
        if index >= MOST_EXCHANGERS and not named:
            continue
        addresses: List[str] = []
        if parse_address(name):
            found(FAULT, f"MX {preference} is the address {name}, where a host name must be (RFC 5321, 5.1)",
                  "give that host a name, and put the name there")
            addresses = [name]
        else:
            try:
                addresses, alias = directory.addresses(name, deadline)
                if alias:
                    found(FAULT, f"MX {preference} {name} is an alias (CNAME) of {alias} (RFC 2181, 10.3)",
                          f"put {alias} itself into the MX record")
                elif not addresses:
                    found(FAULT if named or preference == primary and not hidden else NOTE,
                          f"MX {preference} {name} has no address",
                          f"add an address record for {name}, or remove that MX")
            except DNSError as error:
                found(NOTE if named else UNCHECKED, f"MX {preference} {name}: {error}", "try again")
        exchangers.append(Exchanger(preference, name, addresses, identity.is_own(name, addresses)))
    if len(records) > MOST_EXCHANGERS:
        found(NOTE, f"only the first {MOST_EXCHANGERS} of {len(records)} MX records were looked at")
    return exchangers


def _knock(primary: Exchanger, deadline: Deadline, found: "_Found") -> None:
    """Tell whether the primary's port answers: a fact, as a backup is there for when it does not."""
    for address in primary.addresses[:2]:
        where = f"port {SMTP_PORT} of the primary, {primary.name} ({address}),"
        parsed = parse_address(address)
        if at_home(address) or parsed is None or parsed.is_unspecified or parsed.is_multicast:
            found(NOTE, f"{where} cannot be reached from elsewhere", "give it a public address in DNS")
            continue
        try:
            socket.create_connection((address, SMTP_PORT), max(0.01, deadline.left(PORT_SECONDS))).close()
        except OSError as error:
            found(NOTE, f"{where} does not answer: {error.strerror or 'no answer in time'}")
        else:
            found(NOTE, f"{where} answers")
            break
