"""What every part of a check shares: a time limit, an address on the command line, text made harmless."""

import re
import socket
from collections import namedtuple
from ipaddress import ip_address, ip_network
from threading import Thread
from time import monotonic

from esmith.errors import EsmithError
from mxbackup.terminal import WrongUse, escaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address
    from typing import List, NamedTuple, Optional, Tuple, Union

    IPAddress = Union[IPv4Address, IPv6Address]

    class _Endpoint(NamedTuple):
        host: str
        port: int
        addresses: Tuple[str, ...]
else:
    _Endpoint = namedtuple("_Endpoint", "host port addresses")

# Servers commonly let clients with these addresses relay: they are at home (RFC 1918, 3927, 4193, 4291).
HOME_NETWORKS = tuple(map(ip_network, (
    "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
    "::1/128", "fe80::/10", "fc00::/7",
)))
_PLAIN = re.compile(r"[ -~]*\Z").match


class LookupFailed(EsmithError):
    """A host's name has no address, or none was found in time."""


class Deadline:
    """A moment that work must not go beyond."""

    def __init__(self, seconds: float) -> None:
        """End `seconds` (float) from now."""
        self._end = monotonic() + seconds

    def left(self, most: "Optional[float]" = None) -> float:
        """Return the seconds left, never below 0; not more than `most` if given."""
        left = max(0.0, self._end - monotonic())
        return left if most is None else min(left, most)

    def within(self, seconds: float) -> "Deadline":
        """Return a Deadline `seconds` from now, or this one's end if that is sooner."""
        return Deadline(self.left(seconds))


class Endpoint(_Endpoint):
    """A server to talk to: a name or address (str), a port (int), and its addresses where they are known already."""

    __slots__ = ()

    def __new__(cls, host: str, port: int, addresses: "Tuple[str, ...]" = ()) -> "Endpoint":
        return super().__new__(cls, host, port, addresses)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_endpoint(text: str, port: int, what: str) -> Endpoint:
    """Return the Endpoint that `text` means: HOST, HOST:PORT, [V6] or [V6]:PORT; raise WrongUse.

    `port` is taken where none is given; `what` names the argument in the message.
    """
    bracketed = re.match(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]+))?$", text)
    plain = re.match(r"([A-Za-z0-9._-]+)(?::([0-9]+))?$", text)
    match = bracketed or plain
    if match:
        host, given = match.groups()
    elif text.count(":") > 1:
        host, given = text, None
    else:
        raise WrongUse(f"{what} {printable(text)}: it is not HOST or HOST:PORT")
    if ":" in host and parse_address(host) is None:
        raise WrongUse(f"{what} {printable(text)}: it is no IPv6 address")
    port = int(given) if given and len(given) < 6 else port if given is None else 0
    if not 0 < port < 65536:
        raise WrongUse(f"{what} {printable(text)}: the port is not between 1 and 65535")
    return Endpoint(host, port)


def parse_address(text: str) -> "Optional[IPAddress]":
    """Return the IP address that `text` is, an IPv4-mapped one as IPv4, or None."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped: Optional[IPv4Address] = getattr(address, "ipv4_mapped", None)
    return mapped or address


def at_home(address: str) -> bool:
    """Tell whether the IP address `address` (str) is one of loopback, a link or a private network."""
    parsed = parse_address(address)
    return parsed is not None and any(
        parsed in network for network in HOME_NETWORKS if network.version == parsed.version)


def is_local(address: str) -> bool:
    """Tell whether this machine has the IP address `address` (str)."""
    parsed = parse_address(address)
    # These can be bound to, but are nobody's.
    if parsed is None or parsed.is_multicast or parsed.is_unspecified:
        return False
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except (OSError, ValueError):
        return False
    return True


def addresses_of(host: str, deadline: Deadline) -> "List[str]":
    """Return the IP addresses (list of str) of the host name or address `host`, as this machine sees it.

    The C library's look-up has no time limit of its own, so it is left behind when the deadline passes.
    Raise LookupFailed.
    """
    if parse_address(host):
        return [host]
    outcome: List[Union[List[str], Exception]] = []

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)
            outcome.append([str(address[0]) for _, _, _, _, address in found])
        except (OSError, UnicodeError) as error:
            outcome.append(error)

    thread = Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(deadline.left())
    if not outcome:
        raise LookupFailed(f"{host}: no answer in time to the question for its address")
    found = outcome[0]
    if isinstance(found, Exception):
        reason = getattr(found, "strerror", None) or found
        raise LookupFailed(f"{host}: this machine finds no address for that name ({printable(str(reason))})")
    return list(dict.fromkeys(found))


def printable(text: "Union[str, bytes]", most: int = 500) -> str:
    """Return `text` (str or bytes) on one line of printable ASCII, others escaped, cut after `most`.

    What a stranger's server says must not reach a terminal as it is.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    text = text[:most + 1]
    # Nearly all texts are, and there are many.
    if not _PLAIN(text):
        text = escaped(text, lambda c: " " <= c <= "~")
    return text if len(text) <= most else text[:most] + "..."
