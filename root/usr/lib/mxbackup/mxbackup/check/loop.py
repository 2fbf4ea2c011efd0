"""Whether mail that this host takes as a backup can come back to it by way of its smart host."""

from esmith.errors import EsmithError
from mxbackup import mailservers
from mxbackup.check.relay import below
from mxbackup.check.verdict import FAULT, GOOD, NOTE, UNCHECKED, Finding
from mxbackup.mailservers.shape import Unknown
from mxbackup.network.address import LookupFailed, parse_address, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from typing import Callable, List, Optional, Set, Tuple, Union

    from mxbackup.check.exchangers import Exchanger
    from mxbackup.network.address import Deadline
    from mxbackup.network.dns import Directory

    Address = Union[IPv4Address, IPv6Address, None]
    Found = Callable[..., None]


def check(
    domain: str,
    kind: str,
    smart_host: str,
    exchangers: "List[Exchanger]",
    smart_addresses: "Set[Address]",
    next_hop: str = "",
) -> "List[Finding]":
    """Follow mail for `domain` on its way out; return findings.

    `smart_host` is "" where none is set. `exchangers` is what exchangers.check() returned, `smart_addresses` a set of
    addresses as network.address.parse_address returns them. `next_hop` is the rule's, or "".
    """
    findings = []

    def found(level: str, text: str, remedy: str = "") -> None:
        findings.append(Finding("loop", level, text, remedy))

    if not smart_host:
        found(GOOD, "no smart host is set: mail goes out by DNS")
    for server in mailservers.servers():
        if server.route:
            _follow(server.route, domain, kind, smart_host, next_hop, found)
    if not smart_host:
        return findings
    for exchanger in exchangers:
        shared = smart_addresses & set(map(parse_address, exchanger.addresses))
        if shared or exchanger.name == _host(smart_host):
            found(FAULT, f"the smart host {smart_host} is an MX of {domain} "
                         f"({exchanger.preference} {exchanger.name}): mail can go round between them",
                  "take it out of the domain's MX records, or use another smart host")
    return findings


def addresses(
    smart_host: str, directory: "Directory", deadline: "Deadline"
) -> "Tuple[Set[Address], List[Finding]]":
    """Return (the set of addresses of `smart_host`, findings on why there are none)."""
    name = _host(smart_host)
    if parse_address(name):
        return {parse_address(name)}, []
    try:
        return set(map(parse_address, directory.addresses(name, deadline)[0])), []
    except (EsmithError, LookupFailed) as error:
        return set(), [Finding("loop", UNCHECKED, f"the smart host {printable(name)}: {error}", "try again")]


def _follow(
    route: "Callable[[str], Optional[Tuple[str, str]]]", domain: str, kind: str, smart_host: str,
    next_hop: str, found: "Found",
) -> None:
    """Ask a server's `route` for the ways of mail to `domain`, and report them to `found`."""
    for host in [domain] + ([below(domain)] if kind == "DOMAIN" else []):
        try:
            way = route(host)
        except Unknown as error:
            found(UNCHECKED, str(error), "run: signal-event mxbackup-update")
            return
        if way is None:
            return
        relay, path = way
        if next_hop and (_host(relay), _port(relay)) != (_host(next_hop), _port(next_hop)):
            if relay:
                text = f"{path} sends mail for {host} to {relay}, not to the next hop {next_hop}"
            else:
                text = f"{path} sends mail for {host} by DNS, not to the next hop {next_hop}"
            found(FAULT, text, "run: signal-event mxbackup-update, and look for lines of your own there")
        elif next_hop:
            if host == domain:
                found(GOOD, f"{path} sends mail for {domain} to the next hop {next_hop}")
        elif relay and smart_host and _host(relay) == _host(smart_host):
            found(FAULT, f"{path} sends mail for {host} to the smart host {smart_host}, which sends it back here",
                  "run: signal-event mxbackup-update, and look for lines of your own there")
        elif relay:
            found(NOTE, f"{path} sends mail for {host} to {relay}, not by DNS")
        elif smart_host and host == domain:
            found(GOOD, f"{path} sends mail for {domain} by DNS, not to the smart host")


def _port(relay: str) -> str:
    return relay.rpartition("]")[2].partition(":")[2] or "25"


def _host(relay: str) -> str:
    """Return the host of HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT, in lower case."""
    if relay.startswith("["):
        return relay[1:].partition("]")[0].lower()
    return relay.partition(":")[0].lower().rstrip(".")
