"""What a check is asked to look at, and how."""

from mxbackup.check.verdict import PARTS
from mxbackup.network import dns, smtp
from mxbackup.network.address import parse_address, parse_endpoint, printable
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Optional, Sequence

SECONDS = 30
# qpsmtpd lets one address have five connections at a time.
JOBS = 4


class Options:
    """What to check, and how.

    domains      list of names (str); None for the host's own rules
    server       "HOST[:PORT]" to test; None for this host's own, on loopback
    nameserver   "ADDRESS[:PORT]" to ask; None for each domain's own name servers
    sender       address for MAIL FROM; its domain is our HELO name then
    send         whether to send postmaster@ each domain a small message
    names        more names that the server has in DNS
    kind         "HOST" or "DOMAIN" for domains that no rule of this host tells of
    outside      the user's word that the server does not let this machine relay
    parts        which of verdict.PARTS to check
    seconds      time limit for each domain, and for the server itself
    jobs         how many domains at once
    transcripts  whether to keep the SMTP dialogues
    """

    def __init__(
        self,
        domains: "Optional[Iterable[str]]" = None,
        server: "Optional[str]" = None,
        nameserver: "Optional[str]" = None,
        sender: "Optional[str]" = None,
        send: bool = False,
        names: "Sequence[str]" = (),
        kind: str = "",
        outside: bool = False,
        parts: "Sequence[str]" = PARTS,
        seconds: float = SECONDS,
        jobs: int = JOBS,
        transcripts: bool = False,
    ) -> None:
        self.domains = domains
        self.server = parse_endpoint(server, smtp.PORT, "server") if server else None
        self.nameserver = parse_endpoint(nameserver, dns.PORT, "nameserver") if nameserver else None
        if self.nameserver and not parse_address(self.nameserver.host):
            raise WrongUse(f"nameserver {nameserver}: give its address, as names are what it is asked for")
        self.sender = None if sender is None else parse_sender(sender)
        self.send = send
        self.names = names
        self.kind = kind
        self.outside = outside
        self.parts = parts
        if not 0 < seconds <= 3600 or not 0 < jobs <= 64:
            raise WrongUse("a time limit is more than 0 and at most 3600 seconds, "
                           "and 1 to 64 domains can be checked at once")
        self.seconds = seconds
        self.jobs = jobs
        self.transcripts = transcripts


def parse_sender(text: str) -> str:
    """Return the address `text` if it can stand in MAIL FROM (RFC 5321, 4.1.2), "" for <>; raise WrongUse."""
    address = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    local, at, domain = address.rpartition("@")
    bad = any(not "!" <= c <= "~" or c in '<>"\\' for c in address)
    if address and (bad or not at or not local or "@" in local or not domain or len(address) > 254):
        raise WrongUse(f"the sender {printable(text, 80)} is no address like admin@doecom.net")
    return address
