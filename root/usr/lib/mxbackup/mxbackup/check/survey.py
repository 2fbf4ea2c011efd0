"""A check from end to end: the server itself first, then each domain, several at once."""

import socket

from mxbackup.check import certificate, exchangers, files, host, loop, mtasts, relay, reverse, standing
from mxbackup.check.turns import each
from mxbackup.check.verdict import NOTE, SERVER, UNCHECKED, Finding, Verdict
from mxbackup.network import dns, smtp
from mxbackup.network.address import (
    Deadline,
    Endpoint,
    LookupFailed,
    addresses_of,
    at_home,
    is_local,
    parse_address,
)
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Set

    from mxbackup.check.exchangers import Exchanger
    from mxbackup.check.loop import Address
    from mxbackup.check.options import Options

    Progress = Callable[[int, int], object]

# The DNS gets this share of a domain's time, so that slow name servers leave some for the dialogue.
DNS_SHARE = 0.5


class Survey:
    """One run: run() returns the verdict on the server, if there is one, and then the domains'."""

    def __init__(self, options: "Options") -> None:
        """Read the host's databases. Raises WrongUse, DatabaseError."""
        self.options = options
        self.host = host.load()
        self.own_rules = dict(self.host.configuration.rules.kinds) if self.host else {}
        self.next_hops = self.host.next_hops if self.host else {}
        self.domains = self._domains()
        self.server = options.server or Endpoint("127.0.0.1", smtp.PORT)
        self.trouble = self.no_dns = ""
        self.directory = self._directory()
        addresses = self._server_addresses()
        self.server = Endpoint(self.server.host, self.server.port, tuple(addresses))
        self.here = any(map(is_local, addresses))
        # This host, where the server under test is its own.
        self.tested = self.host if self.here else None
        if not self.tested and set(options.parts) <= {"files", "loop"}:
            raise WrongUse("the mail files and the way out are looked at on the host itself, as root there")
        self.identity = self._identity(addresses)
        self.courtesy = self._courtesy()
        self.certificate = certificate.Certificate()

    def _directory(self) -> "Optional[dns.Directory]":
        if set(self.options.parts) <= {"files", "smtp"} and not self.options.nameserver:
            return None
        try:
            dns.require()
        except dns.Missing as error:
            self.no_dns = str(error)
            return None
        return dns.Directory(self.options.nameserver)

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
        deadline = Deadline(min(self.options.seconds, smtp.CONNECT_SECONDS))
        if self.directory and self.options.nameserver and not parse_address(self.server.host):
            # Its zones may not be public yet, or not for us.
            try:
                found = self.directory.addresses(self.server.host, deadline)[0]
                if found:
                    return found
            except dns.DNSError:
                pass
        try:
            return addresses_of(self.server.host, deadline)
        except LookupFailed as error:
            self.trouble = str(error)
            return []

    def _identity(self, addresses: "List[str]") -> exchangers.Identity:
        names = list(self.options.names)
        if self.tested:
            names = self.tested.names + names
            addresses = addresses + self._public_addresses()
        if not parse_address(self.server.host):
            names.insert(0, self.server.host)
        return exchangers.Identity(names, addresses, self.here)

    def _public_addresses(self) -> "List[str]":
        """Return the addresses that DNS has for the host's own name: behind NAT, those of the router in front.

        One that a wildcard gives to every name beside it tells nothing of who we are.
        """
        if not self.tested or not self.directory:
            return []
        name = self.tested.name
        if not is_name(name):
            return []
        deadline = Deadline(self.options.seconds / 4)
        try:
            found = self.directory.addresses(name, deadline)[0]
            beside = self.directory.addresses(relay.below(name.partition(".")[2]), deadline)[0] if found else []
        except dns.DNSError:
            return []
        return [address for address in found if address not in beside]

    def _known_as(self) -> str:
        """Return what a friend outside calls the server: an address at home is another machine to him."""
        if not at_home(self.server.host):
            return self.server.host
        return next(filter(is_name, self.identity.names), "THIS.HOST")

    def _courtesy(self) -> relay.Courtesy:
        sender, hostname = self.options.sender, socket.gethostname()
        if sender:
            return relay.Courtesy(sender.rpartition("@")[2], [sender])
        if self.tested and is_name(self.tested.name):
            name, senders = self.tested.name, [f"admin@{self.tested.domain}", ""]
        elif is_name(hostname):
            name, senders = hostname, [f"postmaster@{hostname}", ""]
        else:
            name, senders = "", [""]
        return relay.Courtesy(name, [""] if sender == "" else senders)

    def run(self, progress: "Optional[Progress]" = None) -> "List[Verdict]":
        """Check everything; return the verdicts. `progress(done, total)` is called after each domain."""
        needs_dns = {"dns", "loop", "strict"} & set(self.options.parts)
        no_dns: List[Finding] = []
        if needs_dns and self.domains and not self.directory:
            no_dns = [Finding("dns", UNCHECKED, self.no_dns,
                              "dnf install python3-dns, apt install python3-dnspython, or "
                              "pip install dnspython; or check without it: --only smtp")]
        server = self._check_server()
        domains = self.domains if set(self.options.parts) - {"files"} else []
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
        if "strict" in self.options.parts and not self.trouble:
            verdict.findings += self._check_strict()
        return verdict

    def _check_strict(self) -> "List[Finding]":
        """Look at what strict senders and servers ask of the server itself."""
        deadline = Deadline(self.options.seconds)
        names = list(filter(is_name, self.identity.names))
        self.certificate = certificate.check(
            self.server, self.courtesy.name, names, deadline.within(self.options.seconds / 2))
        findings = list(self.certificate.findings)
        if self.directory:
            # A server commonly calls itself in its greeting what it does in HELO.
            greeting = self.answers.greeting
            words = str(greeting)[4:].split() if greeting else []
            hello = words[0].lower() if words and is_name(words[0].lower()) else ""
            findings += reverse.check(sorted(map(str, self.identity.addresses)), hello, self.directory, deadline)
        return findings

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
                self._transcript(verdict), knock="dns" in self.options.parts,
                next_hop=self.next_hops.get(domain, ""))
            if "dns" in self.options.parts:
                verdict.findings += findings + self._check_way(domain, kind, found, deadline)
            elif "strict" in self.options.parts or self.tested and self.tested.smart_host:
                # Which of the MXs is ours, or the smart host, is not known either.
                verdict.findings += [finding for finding in findings if finding.level == UNCHECKED]
        if "smtp" in self.options.parts:
            self._check_dialogue(verdict, deadline)
        if "strict" in self.options.parts and self.directory:
            names = [exchanger.name for exchanger in found if exchanger.own]
            verdict.findings += mtasts.check(
                domain, names, self.certificate.distrust(names), self.directory, deadline)
        if "loop" in self.options.parts and self.tested:
            verdict.findings += loop.check(
                domain, kind, self.tested.smart_host, found, self.smart_addresses, self.next_hops.get(domain, ""))
        return verdict

    def _check_way(
        self, domain: str, kind: str, found: "List[Exchanger]", deadline: Deadline
    ) -> "List[Finding]":
        """Look at what this host's mail server makes of the domain's DNS, where it goes by that."""
        if not found or not self.directory or domain in self.next_hops:
            return []
        deadline = deadline.within(self.options.seconds * DNS_SHARE)
        findings: List[Finding] = []
        if kind == "DOMAIN":
            findings += exchangers.check_below(
                domain, relay.below(domain), self.identity, self.directory, deadline)
        if self.tested:
            here = found
            if not self.options.nameserver:
                seen, here = exchangers.seen_here(domain, found, self.identity, self.directory, deadline)
                findings += seen
            findings += standing.check(here)
        return findings

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


def is_name(text: str) -> bool:
    """Tell whether `text` is a host name in the form that rules have."""
    from mxbackup.rules.rule import RuleError, parse_name
    try:
        return parse_name(text) == text
    except RuleError:
        return False
