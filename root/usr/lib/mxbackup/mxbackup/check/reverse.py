"""Whether strict servers take mail from this one: reverse DNS that is confirmed forward, and its HELO name."""

from mxbackup.check.verdict import GOOD, NOTE, Finding
from mxbackup.network.address import at_home, parse_address
from mxbackup.network.dns import DNSError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List

    from mxbackup.network.address import Deadline
    from mxbackup.network.dns import Directory

MOST_ADDRESSES = 4
MOST_NAMES = 4


def check(
    addresses: "Iterable[str]", hello: str, directory: "Directory", deadline: "Deadline"
) -> "List[Finding]":
    """Look at the public ones of `addresses`, from which the server delivers, and at its HELO name; return findings.

    `hello` is "" where it is not known. An address at home is nobody's business outside.
    """
    public = [address for address in addresses if not at_home(address)][:MOST_ADDRESSES]
    findings = [_reverse(address, directory, deadline) for address in public]
    if public and hello:
        findings.append(_hello(hello, directory, deadline))
    return findings


def _reverse(address: str, directory: "Directory", deadline: "Deadline") -> Finding:
    remedy = f"have a name that has the address {address} put into its reverse DNS, by whom it is leased from"
    try:
        names = directory.names_of(address, deadline)[:MOST_NAMES]
        for name in names:
            if parse_address(address) in map(parse_address, directory.addresses(name, deadline)[0]):
                return Finding("strict", GOOD, f"{address} is {name} in reverse DNS, and the other way round")
    except DNSError as error:
        return Finding("strict", NOTE, f"the reverse DNS of {address}: {error}", "try again")
    if not names:
        return Finding(
            "strict", NOTE, f"{address} has no name in reverse DNS: strict servers refuse its mail", remedy)
    return Finding("strict", NOTE, f"{address} is {', '.join(names)} in reverse DNS, which has another address: "
                                   "strict servers refuse its mail", remedy)


def _hello(hello: str, directory: "Directory", deadline: "Deadline") -> Finding:
    try:
        found = directory.addresses(hello, deadline)[0]
    except DNSError as error:
        return Finding("strict", NOTE, f"its HELO name {hello}: {error}", "try again")
    if found:
        return Finding("strict", GOOD, f"its HELO name {hello} is in DNS")
    return Finding("strict", NOTE, f"its HELO name {hello} has no address in DNS: strict servers refuse its mail",
                   f"add an address record for {hello}, or let the mail server use a name that has one")
