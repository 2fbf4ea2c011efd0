"""What becomes of mail whose MX records a mail server looks at, by which addresses it counts as its own."""

from mxbackup.network.address import parse_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterator, Sequence

    from mxbackup.mailservers.shape import MX, Fate

# What becomes of mail where a server does not know an MX as this host.
CIRCLES = (
    True,
    "{server} does not know {address} of {name} as this host's: while the primary is away it sends the mail to itself"
    " in circles, and bounces it",
    "give the rule a next hop: mxbackup add NAME --next-hop HOST; or let this host's own DNS answer for {name} with"
    " an address of its interfaces",
)
PUT_OFF = (
    False,
    "{server} does not know {address} of {name} as this host's: while the primary is away it calls itself, and puts"
    " the mail off as looping",
    "run: postconf -e 'proxy_interfaces = {address}' && postfix reload",
)


def judge(
    server: str,
    exchangers: "Sequence[MX]",
    ipv6: bool,
    ipv4: bool,
    itself: "Callable[[str], bool]",
    in_circles: "Fate",
) -> "Iterator[Fate]":
    """Yield what goes wrong (shape.Fate) with mail whose `exchangers` the mail server `server` (str) looks at.

    `ipv6`, `ipv4`: whether it asks for such addresses. `itself(address)`: whether it counts an address as its own.
    `in_circles`: CIRCLES or PUT_OFF.
    """
    known = [(mx, [each for each in mx.addresses if (ipv6 if ":" in each else ipv4)]) for mx in exchangers]
    mine = [mx for mx, addresses in known if any(map(itself, addresses))]
    first = min((mx.preference for mx in mine), default=65536)
    usable = [mx for mx, addresses in known if addresses and mx.preference < first]
    strange = [mx for mx in mine if not mx.own and mx.preference == first]
    if strange and not usable:
        address = next(each for each in strange[0].addresses if itself(each))
        name = strange[0].name
        yield (True, f"{server} takes {name} ({address}) for this host itself, and bounces the mail at once",
               f"in the domain's public DNS give {name} its public address; or give the rule a next hop: "
               "mxbackup add NAME --next-hop HOST")
    elif not usable and (not mine or any(mx.preference < first for mx in exchangers)):
        kinds = "an address" if ipv6 and ipv4 else "an IPv6 address" if ipv6 else "an IPv4 address"
        yield (True, f"no MX before this host has {kinds}, and {server} asks for no other: the mail bounces",
               "add such an address record for the primary, or give the rule a next hop: "
               "mxbackup add NAME --next-hop [ADDRESS]")
    for mx, addresses in known:
        if mx.own and addresses and not any(map(itself, addresses)):
            lost, sentence, remedy = in_circles
            places = {"server": server, "name": mx.name, "address": addresses[0]}
            yield lost, sentence.format(**places), remedy.format(**places)


def is_loopback(address: str) -> bool:
    """Tell whether the IP address `address` (str) is a loopback one."""
    parsed = parse_address(address)
    return parsed is not None and parsed.is_loopback


def is_wildcard(address: str) -> bool:
    """Tell whether the IP address `address` (str) is 0.0.0.0 or ::, by which a machine reaches itself."""
    parsed = parse_address(address)
    return parsed is not None and parsed.is_unspecified
