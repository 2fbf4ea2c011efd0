"""A next hop: the host that a rule's mail is passed on to, instead of asking DNS for one.

Four forms are kept: HOST, HOST:PORT, [ADDRESS] and [ADDRESS]:PORT. A HOST is that host itself, by its addresses: no
MX record is looked up. Without a port it is 25.
"""

from mxbackup.rules.rule import RuleError, parse_name

FORMS = "a next hop is HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT, as in mail.smithnet.com or [10.0.0.5]:2525"

_DIGITS = frozenset("0123456789")
_ADDRESS_OCTETS = frozenset("0123456789.")


def parse(text: str) -> str:
    """Return the next hop `text` (str) in the form that is kept; raises RuleError.

    The host is in lower case and A-labels, the address as short as it can be, the port without leading zeros.
    """
    try:
        host, port = _divided(text.strip(" \t"))
        return (_address(host[1:-1]) if host.startswith("[") else parse_name(host)) + _port(port)
    except RuleError as error:
        raise RuleError(text, error.reason) from None


def split(text: str) -> "tuple[str, int]":
    """Return (host or address without brackets, port) of a next hop that parse() returned."""
    host, port = _divided(text)
    return host.strip("[]"), int(port[1:] or 25)


def is_ipv6(text: str) -> bool:
    """Tell whether a next hop that parse() returned is an IPv6 address."""
    return text.startswith("[") and ":" in text.partition("]")[0]


def _divided(text: str) -> "tuple[str, str]":
    """Return (host, or address in brackets; colon and port, or "")."""
    if text.startswith("["):
        address, bracket, port = text.partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise RuleError(text, FORMS)
        return address + bracket, port
    host, colon, port = text.partition(":")
    if host and _ADDRESS_OCTETS.issuperset(host):
        # What qmail takes without brackets, and people write so.
        host = f"[{host}]"
    if not host or ":" in port:
        raise RuleError(text, FORMS)
    return host, colon + port


def _port(text: str) -> str:
    if not text:
        return ""
    digits = text[1:]
    if not (_DIGITS.issuperset(digits) and 0 < len(digits) <= 5 and 0 < int(digits) < 65536):
        raise RuleError(text, "a port is a number from 1 to 65535")
    return f":{int(digits)}"


def _address(text: str) -> str:
    from ipaddress import ip_address

    bare = text[5:] if text[:5].lower() == "ipv6:" else text
    try:
        # A zone, as in fe80::1%eth0, is a local matter that no mail server's list holds.
        if "%" in bare:
            raise ValueError
        return f"[{ip_address(bare)}]"
    except ValueError:
        raise RuleError(text, f"{text[:100]!a} in brackets is no IP address: {FORMS}") from None
