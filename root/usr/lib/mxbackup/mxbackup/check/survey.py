"""A check from end to end: the server itself first, then each domain, several at once."""

import socket
from threading import Lock, Thread

from mxbackup.check import exchangers, files, host, loop, relay
from mxbackup.check.verdict import NOTE, PARTS, SERVER, UNCHECKED, Finding, Verdict
from mxbackup.network import dns, smtp
from mxbackup.network.address import (
    Deadline,
    Endpoint,
    LookupFailed,
    addresses_of,
    at_home,
    is_local,
    parse_address,
    parse_endpoint,
    printable,
)
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, List, Optional, Sequence, Set

    from mxbackup.check.exchangers import Exchanger
    from mxbackup.check.loop import Address

    Progress = Callable[[int, int], object]

SECONDS = 30
# qpsmtpd lets one address have five connections at a time.
JOBS = 4
# The DNS gets this share of a domain's time, so that slow name servers leave some for the dialogue.
DNS_SHARE = 0.5


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


class Survey:
    """One run: run() returns the verdict on the server, if there is one, and then the domains'."""

    def __init__(self, options: Options) -> None:
        """Read the host's databases. Raises WrongUse, DatabaseError."""
        self.options = options
        self.host = host.load()
        self.own_rules = dict(self.host.configuration.rules.kinds) if self.host else {}
        self.domains = self._domains()
        self.server = options.server or Endpoint("127.0.0.1", smtp.PORT)
        self.trouble = ""
        addresses = self._server_addresses()
        self.here = any(map(is_local, addresses))
        # This host, where the server under test is its own.
        self.tested = self.host if self.here else None
        if not self.tested and set(options.parts) <= {"files", "loop"}:
            raise WrongUse("the mail files and the way out are looked at on the host itself, as root there")
        self.identity = self._identity(addresses)
        self.courtesy = self._courtesy()
        self.directory: Optional[dns.Directory] = None

    def _domains(self) -> "List[str]":
        from mxbackup.rules.rule import RuleError, parse_name
        if self.options.domains is None:
            if self.host is None:
                raise WrongUse("this machine has no rules (no e-smith database): say which domains to check")
            return list(self.own_rules)
        try:
            return list(dict.fromkeys(parse_name(domain) for domain in self.options.domains))
        except RuleError as error:
            raise WrongUse(str(error)) from None

    def _server_addresses(self) -> "List[str]":
        if not self.options.server and self.host is None:
            raise WrongUse("this machine is no e-smith host: say which server to check, with --server HOST")
        try:
            return addresses_of(self.server.host, Deadline(min(self.options.seconds, smtp.CONNECT_SECONDS)))
        except LookupFailed as error:
            self.trouble = str(error)
            return []

    def _identity(self, addresses: "List[str]") -> exchangers.Identity:
        names = list(self.options.names)
        if self.tested:
            names = self.tested.names + names
        if not parse_address(self.server.host):
            names.insert(0, self.server.host)
        return exchangers.Identity(names, addresses, self.here)

    def _known_as(self) -> str:
        """Return what a friend outside calls the server: an address at home is another machine to him."""
        if not at_home(self.server.host):
            return self.server.host
        return next(filter(_is_name, self.identity.names), "THIS.HOST")

    def _courtesy(self) -> relay.Courtesy:
        sender, hostname = self.options.sender, socket.gethostname()
        if sender:
            return relay.Courtesy(sender.rpartition("@")[2], [sender])
        if self.tested and _is_name(self.tested.name):
            name, senders = self.tested.name, [f"admin@{self.tested.domain}", ""]
        elif _is_name(hostname):
            name, senders = hostname, [f"postmaster@{hostname}", ""]
        else:
            name, senders = "", [""]
        return relay.Courtesy(name, [""] if sender == "" else senders)

    def run(self, progress: "Optional[Progress]" = None) -> "List[Verdict]":
        """Check everything; return the verdicts. `progress(done, total)` is called after each domain."""
        needs_dns = {"dns", "loop"} & set(self.options.parts)
        no_dns: List[Finding] = []
        if needs_dns and self.domains:
            try:
                dns.require()
                self.directory = dns.Directory(self.options.nameserver)
            except dns.Missing as error:
                no_dns = [Finding("dns", UNCHECKED, str(error),
                                  "dnf install python3-dns, apt install python3-dnspython, or "
                                  "pip install dnspython; or check without it: --only smtp")]
        server = self._check_server()
        domains = self.domains if {"smtp", "dns", "loop"} & set(self.options.parts) else []
        verdicts = {}

        def work(index: int) -> None:
            verdicts[index] = self._check_domain(domains[index], no_dns)

        each(work, len(domains), self.options.jobs, progress)
        return [server] * bool(server.findings) + [verdicts[index] for index in range(len(domains))]

    def _check_server(self) -> Verdict:
        name = self.tested.name if self.tested and not self.options.server else str(self.server)
        verdict = Verdict(name, SERVER)
        self.answers, self.relays = relay.Answers(), False
        self.smart_addresses: Set[Address] = set()
        if self.tested:
            if not self.tested.configuration.enabled:
                verdict.findings.append(Finding(
                    "files", NOTE, "MX backup is disabled: no rule is in force", "run: mxbackup enable"))
            if "files" in self.options.parts:
                verdict.findings += files.check(self.tested)
            if "loop" in self.options.parts and self.tested.smart_host and self.directory:
                self.smart_addresses, findings = loop.addresses(
                    self.tested.smart_host, self.directory, Deadline(self.options.seconds / 2))
                verdict.findings += findings
        if "smtp" in self.options.parts:
            if self.trouble:
                self.answers.failure = self.trouble
                verdict.findings.append(Finding("smtp", UNCHECKED, self.trouble, "look at the spelling"))
            else:
                findings, self.answers, self.relays = relay.check_server(
                    self.server, self.courtesy, Deadline(self.options.seconds), self._transcript(verdict),
                    self.options.outside, self.domains[0] if self.domains else "DOMAIN",
                    self._known_as())
                verdict.findings += findings
        return verdict

    def _transcript(self, verdict: Verdict) -> "List[str]":
        return verdict.transcript if self.options.transcripts else []

    def _check_domain(self, domain: str, no_dns: "List[Finding]") -> Verdict:
        kind = self.own_rules.get(domain, self.options.kind)
        verdict = Verdict(domain, kind, no_dns)
        deadline = Deadline(self.options.seconds)
        found: List[Exchanger] = []
        if self.directory:
            findings, found = exchangers.check(
                domain, self.identity, self.directory, deadline.within(self.options.seconds * DNS_SHARE),
                self._transcript(verdict), knock="dns" in self.options.parts)
            if "dns" in self.options.parts:
                verdict.findings += findings
            elif self.tested and self.tested.smart_host:
                # Whether the smart host is one of the MXs is not known either.
                verdict.findings += [finding for finding in findings if finding.level == UNCHECKED]
        if "smtp" in self.options.parts:
            self._check_dialogue(verdict, deadline)
        if "loop" in self.options.parts and self.tested:
            verdict.findings += loop.check(
                domain, kind, self.tested.smart_host, found, self.smart_addresses)
        return verdict

    def _check_dialogue(self, verdict: Verdict, deadline: Deadline) -> None:
        if self.answers.failure and not self.answers.replies:
            verdict.findings.append(Finding("smtp", UNCHECKED, f"no dialogue with {self.server}: see there"))
            return
        domain = verdict.name
        parents = [domain[position + 1:] for position, c in enumerate(domain) if c == "."]
        covered = any(self.own_rules.get(parent) == "DOMAIN" for parent in parents)
        message = self._message(domain) if self.options.send else None
        verdict.findings += relay.check_domain(
            self.server, domain, verdict.kind, self.courtesy, deadline, self._transcript(verdict),
            self.relays, self.answers.inside and not self.options.outside, message, covered,
            self._remedy(domain), self._known_as())

    def _remedy(self, domain: str) -> str:
        """Return what to do about a server that refuses mail for `domain`."""
        if not self.tested or domain not in self.own_rules:
            return f"there: mxbackup add {domain}, and look at mxbackup status"
        if not self.tested.configuration.enabled:
            return "run: mxbackup enable"
        return "see that the mail files are right (mxbackup check --only files), and are the server's"

    def _message(self, domain: str) -> str:
        from email.utils import formatdate, make_msgid
        name = self.courtesy.name or "localhost.invalid"
        return "\n".join([
            f"Date: {formatdate()}",
            f"Message-ID: {make_msgid('mxbackup-check', name)}",
            f"From: {self.courtesy.senders[0] or 'postmaster@' + name}",
            f"To: postmaster@{domain}",
            "Subject: Test of the backup MX",
            "",
            f"This message went through {self.server}, a backup MX for {domain}.",
            "It was sent by 'mxbackup check --send'; nothing needs to be done.",
            "",
        ])


def each(
    work: "Callable[[int], object]", count: int, at_once: int, progress: "Optional[Progress]" = None
) -> None:
    """Call `work(index)` for each index below `count`, `at_once` at a time; raise what one of them raised."""
    lock, waiting, done = Lock(), iter(range(count)), [0]
    errors: List[BaseException] = []

    def take_turns() -> None:
        while not errors:
            with lock:
                index = next(waiting, None)
            if index is None:
                return
            try:
                work(index)
            except BaseException as error:  # noqa: BLE001 (the caller's thread raises it)
                errors.append(error)
            with lock:
                done[0] += 1
                if progress:
                    progress(done[0], count)

    # Daemons: the user who interrupts a check does not wait for them.
    threads = [Thread(target=take_turns, daemon=True) for _ in range(min(at_once, count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _is_name(text: str) -> bool:
    from mxbackup.rules.rule import RuleError, parse_name
    try:
        return parse_name(text) == text
    except RuleError:
        return False
