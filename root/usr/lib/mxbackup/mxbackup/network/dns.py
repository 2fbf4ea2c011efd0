"""The domain's MX records, as a sending server finds them: asked straight, one answer at a time.

The questions only; what the answers should be is the business of exchangers.py.
"""

import re
from collections import namedtuple

from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup.network.address import Deadline, Endpoint, parse_address, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, NamedTuple, Optional, Tuple

    from dns.message import Message
    from dns.name import Name

    class _Answer(NamedTuple):
        rcode: str
        authoritative: bool
        # What is in it is as the type that was asked for.
        records: List[Any]
        alias: str
else:
    _Answer = namedtuple("_Answer", "rcode authoritative records alias")

PORT = 53
# Seconds for the first question, and for the second to the same name server.
PATIENCE = (2, 4)
# More than enough for honest zones; others must not keep us busy.
LONGEST_CHAIN = 8
MOST_NAME_SERVERS = 4


class DNSError(EsmithError):
    """No usable answer; the text says who was asked, and what went wrong."""


class Circle(DNSError):
    """The name's CNAME records lead back to it."""


class Nonexistent(DNSError):
    """Neither the name nor a zone that it could be in exists."""


class Missing(EsmithError):
    """dnspython is not installed."""


class Answer(_Answer):
    """What a name server answered.

    rcode          str: "NOERROR", "NXDOMAIN", "SERVFAIL", ...
    authoritative  bool: the server says that the zone is its own
    records        list: (preference, name) for MX, name for NS and PTR, address for A and AAAA, the whole text for
                   TXT; names are str, in lower case, without the final dot, and "" for the root
    alias          str: the name that the chain of CNAMEs ends in, or ""
    """


def require() -> None:
    """Make dnspython importable; raise Missing."""
    try:
        from esmith import distribution
        distribution.use()
        import dns.message
        import dns.query  # noqa: F401
    except ImportError as error:
        raise Missing("the Python module dnspython is not installed") from error


def ask(server: Endpoint, name: str, kind: str, deadline: Deadline) -> Answer:
    """Ask the name server `server` (Endpoint) for the records of type `kind` (str) that `name` has.

    Over UDP, twice, and over TCP when the answer was cut (RFC 7766). Return an Answer; raise DNSError.
    """
    import dns.exception
    import dns.flags
    import dns.message
    import dns.query
    import dns.rcode
    where = f"{server}, asked for {kind} of {name}"
    response = None
    for seconds in PATIENCE:
        try:
            question = dns.message.make_query(name, kind)
            answer = dns.query.udp(question, server.host, timeout=max(0.01, deadline.left(seconds)),
                                   port=server.port, ignore_unexpected=True)
            if answer.flags & dns.flags.TC:
                answer = dns.query.tcp(question, server.host, port=server.port,
                                       timeout=max(0.01, deadline.left(PATIENCE[-1])))
            response = answer
            break
        except dns.exception.Timeout:
            if not deadline.left():
                break
        except OSError as error:
            raise DNSError(f"{where}: {error.strerror or error}") from error
        except EOFError as error:
            raise DNSError(f"{where}: it closed the connection") from error
        # Nobody can say what else dnspython's versions raise on bytes that are no DNS message.
        except Exception as error:
            reason = f"{type(error).__name__}: {printable(str(error), 80)}"
            raise DNSError(f"{where}: its answer makes no sense ({reason})") from error
    if response is None:
        raise DNSError(f"{where}: no answer in time")
    alias, records = _records(response, name, kind, where)
    return Answer(dns.rcode.to_text(response.rcode()), bool(response.flags & dns.flags.AA), records, alias)


def resolvers() -> "List[Endpoint]":
    """Return the name servers (list of Endpoint) of this machine's resolv.conf(5)."""
    found = []
    try:
        with open(rooted("/etc/resolv.conf"), encoding="utf-8", errors="replace") as lines:
            for line in lines:
                server = re.match(r"nameserver\s+(\S+)", line)
                if server and parse_address(server.group(1)):
                    found.append(Endpoint(server.group(1), PORT))
    except OSError:
        pass
    return found[:3]


class Directory:
    """Where to ask: at `server` (Endpoint), or at each domain's own name servers where that is None."""

    def __init__(self, server: "Optional[Endpoint]" = None) -> None:
        self.server = server
        self._resolvers = resolvers()
        # The backup's own name is in every domain.
        self._known: Dict[str, Tuple[List[str], str]] = {}

    def of(self, domain: str, deadline: Deadline) -> "List[Endpoint]":
        """Return the name servers (list of Endpoint) for `domain`; raise Nonexistent, DNSError."""
        if self.server:
            return [self.server]
        labels, exists = domain.split("."), False
        for start in range(len(labels) - 1):
            try:
                answer = self._resolve(".".join(labels[start:]), "NS", deadline)
            except Circle:
                continue
            names = answer.records
            exists = exists or answer.rcode != "NXDOMAIN"
            if names:
                break
        else:
            raise (DNSError if exists else Nonexistent)(f"{domain}: no name servers found for it")
        found: List[Endpoint] = []
        for name in names[:MOST_NAME_SERVERS]:
            found += [Endpoint(address, PORT) for address in self.addresses(name, deadline)[0][:2]]
        if not found:
            raise DNSError(f"{domain}: its name servers have no address: {', '.join(names[:4])}")
        return found[:MOST_NAME_SERVERS]

    def addresses(self, name: str, deadline: Deadline) -> "Tuple[List[str], str]":
        """Return the addresses (list of str) of the host `name` and the name it is a CNAME for, or "".

        The server given is asked first, as its zones may not be public yet; then this machine's resolvers.
        An answer is kept as long as the Directory. Raise DNSError.
        """
        if name not in self._known:
            self._known[name] = self._addresses(name, deadline)
        return self._known[name]

    def _addresses(self, name: str, deadline: Deadline) -> "Tuple[List[str], str]":
        trouble: Optional[DNSError] = None
        for server in (self.server, None) if self.server else (None,):
            found: List[str] = []
            alias, trouble = "", None
            for kind in ("A", "AAAA"):
                try:
                    answer = (_ask_given(server, name, kind, deadline) if server
                              else self._resolve(name, kind, deadline))
                except DNSError as error:
                    trouble = error
                    continue
                if answer.rcode == "NXDOMAIN":
                    return [], ""
                found += answer.records
                alias = alias or answer.alias
            if found or alias:
                return found, alias
        if trouble:
            raise trouble
        return [], ""

    def exchangers_here(self, domain: str, deadline: Deadline) -> "List[Tuple[int, str]]":
        """Return the MX records (preference, name) that this machine's resolvers tell of `domain`; raise DNSError."""
        return list(self._resolve(domain, "MX", deadline).records)

    def texts(self, name: str, deadline: Deadline) -> "List[str]":
        """Return the TXT records of `name`, a text each; raise DNSError."""
        return list(self._ask_either(name, "TXT", deadline))

    def names_of(self, address: str, deadline: Deadline) -> "List[str]":
        """Return the names that reverse DNS has for the IP address `address`; raise DNSError."""
        from ipaddress import ip_address
        return list(self._ask_either(ip_address(address).reverse_pointer, "PTR", deadline))

    def _ask_either(self, name: str, kind: str, deadline: Deadline) -> "List[Any]":
        """Return the records that the server given has, or else this machine's resolvers."""
        if self.server:
            try:
                answer = _ask_given(self.server, name, kind, deadline)
                if answer.records or answer.authoritative:
                    return answer.records
            except DNSError:
                pass
        return self._resolve(name, kind, deadline).records

    def _resolve(self, name: str, kind: str, deadline: Deadline) -> Answer:
        trouble = "this machine's resolv.conf names no name server"
        for server in self._resolvers:
            try:
                answer = ask(server, name, kind, deadline)
            except Circle:
                raise
            except DNSError as error:
                trouble = str(error)
                continue
            if answer.rcode in ("NOERROR", "NXDOMAIN"):
                return answer
            trouble = f"{server}, asked for {kind} of {name}: {answer.rcode}"
        raise DNSError(trouble)


def _records(response: "Message", name: str, kind: str, where: str) -> "Tuple[str, List[Any]]":
    """Return (alias, records) for `name` from the answer section, following its CNAMEs."""
    import dns.rdataclass
    import dns.rdatatype
    owner = name.lower().rstrip(".")
    chain: List[str] = []
    sets: Dict[Tuple[str, str], List[Any]] = {}
    for rrset in response.answer:
        # In another class than the Internet's, a type means something else.
        if rrset.rdclass == dns.rdataclass.IN:
            kind_found = dns.rdatatype.to_text(rrset.rdtype)
            sets.setdefault((_text(rrset.name), kind_found), []).extend(rrset)
    while (owner, kind) not in sets and (owner, "CNAME") in sets:
        chain.append(owner)
        owner = _text(sets[owner, "CNAME"][0].target)
        if owner in chain:
            raise Circle(f"the CNAME records of {name} run in a circle")
        if len(chain) > LONGEST_CHAIN:
            raise DNSError(f"{where}: more than {LONGEST_CHAIN} CNAME records in a row")
    found = sets.get((owner, kind), [])
    records: List[Any]
    if kind == "MX":
        records = sorted((record.preference, _text(record.exchange)) for record in found)
    elif kind in ("NS", "PTR"):
        records = sorted(_text(record.target) for record in found)
    elif kind == "TXT":
        # A text longer than 255 octets comes in pieces (RFC 7208, 3.3).
        records = sorted(b"".join(record.strings).decode("latin-1") for record in found)
    else:
        records = sorted(record.address for record in found)
    return owner if chain else "", records


def _text(name: "Name") -> str:
    return name.to_text(True).lower().rstrip(".")


def _ask_given(server: Endpoint, name: str, kind: str, deadline: Deadline) -> Answer:
    answer = ask(server, name, kind, deadline)
    if answer.rcode not in ("NOERROR", "NXDOMAIN"):
        raise DNSError(f"{server}, asked for {kind} of {name}: {answer.rcode}")
    if answer.rcode == "NXDOMAIN" and not answer.authoritative:
        raise DNSError(f"{server}: it does not know {name}")
    return answer
