"""Whether a server takes the mail it should take, and no other: the how-to's test and its counter-test."""

from collections import namedtuple
from hashlib import sha256
from ipaddress import ip_network

from mxbackup.check.verdict import FAULT, GOOD, NOTE, UNCHECKED, Finding
from mxbackup.network import smtp
from mxbackup.network.address import Deadline, Endpoint, LookupFailed, at_home, parse_address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

    class Courtesy(NamedTuple):
        name: str
        senders: List[str]
else:
    Courtesy = namedtuple("Courtesy", "name senders")
Courtesy.__doc__ = """How we introduce ourselves: the HELO name, and the senders to try in turn."""

# A domain that can never be anybody's (RFC 2606): to take mail for it is to relay.
STRANGER = "evil.example"
# The forms in which a stranger's address is tried; example.net exists in DNS, where some servers look first.
STRANGERS = (
    ("a domain that is not its own", f"user@{STRANGER}"),
    ("an existing domain that is not its own", "user@example.net"),
    ("the same in upper case", f"USER@{STRANGER.upper()}"),
    ("the same with a trailing dot", f"user@{STRANGER}."),
    ("an address literal", "user@[192.0.2.25]"),
)
WITHOUT_DOMAIN = "mxbackup-check"
FROM_OUTSIDE = "run this check from outside: mxbackup check --server {server} {domain}"


class Answers:
    """What a server said to a series of recipients.

    replies   dict: recipient (str) -> smtp.Reply, in the order asked; none for what was not asked any more
    failure   str: why not all were asked, or ""
    """

    def __init__(self) -> None:
        self.replies: Dict[str, smtp.Reply] = {}
        self.failure = ""
        self.greeting: Optional[smtp.Reply] = None
        self.local = self.peer = self.tls = self.tls_trouble = ""
        self.sent: Optional[smtp.Reply] = None

    def __getitem__(self, recipient: str) -> "Optional[smtp.Reply]":
        return self.replies.get(recipient)

    def accepted(self, recipient: str) -> bool:
        """Tell whether the server would take mail for `recipient`."""
        return recipient in self.replies and self.replies[recipient].accepted

    def put_off(self, recipient: str) -> bool:
        """Tell whether the server may take mail for `recipient` later."""
        return recipient in self.replies and self.replies[recipient].put_off

    @property
    def inside(self) -> bool:
        """Whether we talked from an address that many servers let relay: the server's own, or one near it."""
        return self.local == self.peer or at_home(self.peer) or at_home(self.local) or _same_link(self)


def ask(
    server: Endpoint, recipients: "Sequence[str]", courtesy: Courtesy, deadline: Deadline,
    transcript: "List[str]", message: "Optional[str]" = None,
) -> Answers:
    """Ask `server` whether it would take mail for each of `recipients`; return Answers.

    Each is asked in a transaction of its own that is then reset, all in one connection if the server lets us:
    one that hangs up after some errors is called again. With `message` (str), the first recipient is sent it.
    """
    answers = Answers()
    waiting, senders = list(recipients), list(courtesy.senders)
    while waiting:
        before = len(waiting)
        try:
            dialogue, answers.greeting, trouble = smtp.begin(server, courtesy.name, deadline, transcript)
            answers.tls_trouble = trouble or answers.tls_trouble
            answers.local, answers.peer, answers.tls = dialogue.local, dialogue.peer, dialogue.tls
            with dialogue:
                while waiting:
                    reply = _transaction(dialogue, waiting[0], senders)
                    answers.replies[waiting.pop(0)] = reply
                    dialogue.command("RSET")
                if message and answers.accepted(recipients[0]):
                    _transaction(dialogue, recipients[0], senders)
                    answers.sent = dialogue.data(message)
                dialogue.quit()
        except smtp.Closed as error:
            if len(waiting) == before:
                answers.failure = str(error)
                break
        except (smtp.DialogueError, LookupFailed) as error:
            answers.failure = str(error)
            break
    return answers


def below(domain: str) -> str:
    """Return a name below `domain` that nobody has; always the same one, for grey lists to know it."""
    return f"x{sha256(domain.encode()).hexdigest()[:12]}.{domain}"


def check_server(
    server: Endpoint, courtesy: Courtesy, deadline: Deadline, transcript: "List[str]",
    outside: bool = False, domain: str = "DOMAIN", known_as: str = "",
) -> "Tuple[List[Finding], Answers, bool]":
    """Try the counter-test for the server as a whole; return (findings, Answers, relays).

    `relays` tells that it takes mail for strangers, so that its taking any other proves nothing. `outside` is
    the user's word that this machine may not relay there. `domain` goes into the remedy, and so does
    `known_as`: the server's name elsewhere, where that is not what we call it.
    """
    recipients = [address for _, address in STRANGERS] + [WITHOUT_DOMAIN]
    answers = ask(server, recipients, courtesy, deadline, transcript)
    findings = []
    taken = [f"{form} <{address}>" for form, address in STRANGERS if answers.accepted(address)]
    put_off = [address for _, address in STRANGERS if answers.put_off(address)]
    if taken and answers.inside and not outside:
        findings.append(Finding(
            "smtp", UNCHECKED,
            f"it takes mail for {taken[0]} from here ({answers.local}), an address that it may let relay; "
            "if it does that for any address, it is an OPEN RELAY",
            FROM_OUTSIDE.format(server=known_as or server.host, domain=domain)
            + "; or, if it does not let this machine relay, say so: --outside"))
    elif taken:
        findings.append(Finding(
            "smtp", FAULT,
            f"OPEN RELAY: from {answers.local} it takes mail for " + ", ".join(taken),
            "see that the list of names that it takes mail for is there, can be read, and holds only your own "
            "domains and those you back up; if that server knows this machine and lets it relay, run the check "
            "from another"))
    elif answers.failure:
        findings.append(Finding("smtp", UNCHECKED, answers.failure, _remedy_for_failure(answers)))
    else:
        findings.append(Finding("smtp", GOOD, f"{server} refuses mail for domains that are not its own"))
    if put_off:
        findings.append(Finding("smtp", NOTE, f"it puts off <{put_off[0]}> instead of refusing it: "
                                              f"{answers[put_off[0]]}"))
    if answers.accepted(WITHOUT_DOMAIN) and not taken:
        # qmail's rcpthosts.c lets it through: presumably a mailbox of the server's own.
        findings.append(Finding("smtp", NOTE, f"it takes <{WITHOUT_DOMAIN}>, which has no domain, "
                                              "for a mailbox of its own"))
    if answers.tls_trouble:
        findings.append(Finding("smtp", NOTE, answers.tls_trouble, "repair or switch off STARTTLS there"))
    return findings, answers, bool(taken)


def check_domain(
    server: Endpoint, domain: str, kind: str, courtesy: Courtesy, deadline: Deadline,
    transcript: "List[str]", relays: bool = False, inside: bool = False, message: "Optional[str]" = None,
    covered: bool = False, remedy: str = "", known_as: str = "",
) -> "List[Finding]":
    """Try the how-to's test for `domain`, and the counter-tests that use its name; return findings.

    `kind` is "HOST", "DOMAIN" or "" where it is not known. `relays` and `inside` come from check_server.
    `covered` tells that another DOMAIN rule holds for the names below it. `message` is sent if it is given.
    `remedy` is what to do about a refusal; `known_as` is as for check_server.
    """
    postmaster = f"postmaster@{domain}"
    stranger_below = f"postmaster@{below(domain)}"
    routed = (f"@{domain}:user@{STRANGER}", f'"user@{domain}"@{STRANGER}')
    primarys_business = (f"user%{STRANGER}@{domain}", f"{STRANGER}!user@{domain}")
    recipients = [postmaster]
    if not (relays and inside):
        # A path has 256 octets at most, with its angle brackets (RFC 5321, 4.5.3.1.3).
        recipients += [address for address in (stranger_below, *routed, *primarys_business)
                       if len(address) <= 254]
    answers = ask(server, recipients, courtesy, deadline, transcript, message)
    findings: List[Finding] = []

    def found(level: str, text: str, remedy: str = "") -> None:
        findings.append(Finding("smtp", level, text, remedy))

    reply = answers[postmaster]
    if reply and reply.accepted and relays and inside:
        found(UNCHECKED, f"it takes mail for {domain}, but from here it takes mail for every domain",
              FROM_OUTSIDE.format(server=known_as or server.host, domain=domain))
    elif reply and reply.accepted:
        found(GOOD, f"{server} takes mail for {domain}")
    elif reply and reply.put_off:
        found(UNCHECKED, f"it puts off mail for {domain}: {reply}",
              "a grey list does that to strangers: try again in some minutes")
    elif reply:
        found(FAULT, f"it refuses mail for {domain}: {reply}",
              remedy)
    reply_below = answers[stranger_below]
    if reply and reply_below and not (reply.refused and not kind):
        _judge_below(found, domain, kind, reply_below, covered)
    for address in routed:
        if answers.accepted(address):
            found(FAULT, f"OPEN RELAY: it takes mail for <{address}>",
                  "the server must look at the part after the last @; ask who made it for a correction")
    taken = [f"<{address}>" for address in primarys_business if answers.accepted(address)]
    if taken:
        found(NOTE, f"it takes {' and '.join(taken)}: what is left of the @ is the primary's business",
              "see that the primary does not relay on such addresses")
    if message and answers.sent is not None:
        found(GOOD if answers.sent.accepted else UNCHECKED if answers.sent.put_off else FAULT,
              f"a message to {postmaster}: {answers.sent}")
    elif message and not answers.failure:
        found(UNCHECKED, f"no message was sent to {postmaster}")
    if answers.failure:
        found(UNCHECKED, answers.failure, _remedy_for_failure(answers))
    elif not findings:
        found(UNCHECKED, f"{server} answers neither yes nor no")
    return findings


def _same_link(answers: Answers) -> bool:
    """Tell whether both ends are in one IPv6 /64, which is one link (RFC 4291, 2.5.4)."""
    local, peer = parse_address(answers.local), parse_address(answers.peer)
    return (local is not None and peer is not None and local.version == peer.version == 6
            and peer in ip_network((int(local) >> 64 << 64, 64)))


def _transaction(dialogue: smtp.Dialogue, recipient: str, senders: "List[str]") -> smtp.Reply:
    """Return the Reply to `recipient` from the first of `senders` that is accepted; drop the others."""
    while True:
        reply = dialogue.mail(senders[0])
        if reply.accepted:
            reply = dialogue.rcpt(recipient)
            if not (reply.accepted or reply.put_off or reply.refused):
                raise smtp.DialogueError(f"{dialogue.server}: what it says to RCPT is not SMTP: {reply}")
            return reply
        if len(senders) == 1:
            raise smtp.DialogueError(f"{dialogue.server}: it refuses the sender <{senders[0]}>: {reply}")
        del senders[0]
        dialogue.command("RSET")


def _remedy_for_failure(answers: Answers) -> str:
    if answers.greeting is None:
        return "see that it runs, that the port is right, and that your provider lets port 25 out"
    return "try again, or with --as and a sender address of yours"


def _judge_below(
    found: "Callable[..., None]", domain: str, kind: str, reply: smtp.Reply, covered: bool,
) -> None:
    """Judge the Reply to an address below `domain`."""
    if reply.put_off:
        found(UNCHECKED if kind == "DOMAIN" else NOTE, f"it puts off mail for names below {domain}: {reply}",
              "try again in some minutes")
    elif kind == "DOMAIN" or covered:
        if reply.accepted:
            found(GOOD, f"it takes mail for names below {domain}")
        else:
            found(FAULT, f"it refuses mail for names below {domain}, though the rule is a DOMAIN: {reply}",
                  f"see that all names below {domain} are in the list of that server, and mxbackup status")
    elif kind == "HOST":
        if reply.accepted:
            found(FAULT, f"it takes mail for names below {domain}, though the rule is a HOST",
                  f"take the names below {domain} out of the list of that server, or make the rule a DOMAIN")
        else:
            found(GOOD, f"it refuses mail for names below {domain}")
    else:
        found(NOTE, f"it {'takes' if reply.accepted else 'refuses'} mail for names below {domain}, "
                    f"as for a {'DOMAIN' if reply.accepted else 'HOST'} rule")
