"""The letter to the friend whose mail we back up: what he has to do, made from what the check found."""

from mxbackup.check import exchangers, mtasts
from mxbackup.check.options import Options
from mxbackup.check.survey import Survey, is_name
from mxbackup.check.wording import LANGUAGES
from mxbackup.network import smtp
from mxbackup.network.address import Deadline, LookupFailed, at_home
from mxbackup.network.dns import DNSError, Missing
from mxbackup.network.https import HTTPSError
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

WIDTH = 72
# So much above his own ones is our number, where he has not given us one.
ABOVE = 10


class Letter:
    """What is known for the letter.

    domain, server, contact   str: his name, ours as his MX, our administrator's address
    number                    int: of our MX record; `listed`: whether it is there; `known`: whether DNS told
    addresses                 list of str: our public ones
    policy                    mtasts.Policy or None
    etrn                      bool: whether our server takes ETRN (RFC 1985)
    """

    def __init__(self, domain: str, server: str, contact: str) -> None:
        self.domain = domain
        self.server = server
        self.contact = contact
        self.number = ABOVE
        self.listed = self.known = self.etrn = False
        self.addresses: List[str] = []
        self.policy: Optional[mtasts.Policy] = None


def gather(domain: str, server: "Optional[str]" = None, nameserver: "Optional[str]" = None) -> Letter:
    """Return the Letter on the rule `domain` of this host; `server`, `nameserver` as options.Options has them.

    Raise WrongUse, DatabaseError, network.dns.Missing.
    """
    todo = Survey(Options([domain], server=server, nameserver=nameserver, parts=("dns", "strict")))
    name = todo.domains[0]
    if todo.host is None or name not in todo.own_rules:
        raise WrongUse(f"{name} is no rule of this host: add it first, with mxbackup add {name}")
    if todo.directory is None:
        raise Missing(todo.no_dns)
    letter = Letter(name, next(filter(is_name, todo.identity.names), todo.host.name), f"admin@{todo.host.domain}")
    deadline = Deadline(todo.options.seconds)
    _, found = exchangers.check(name, todo.identity, todo.directory, deadline, [], knock=False)
    letter.known = bool(found)
    own = [each for each in found if each.own]
    others = [each for each in found if not each.own]
    letter.number = min(65535, max((each.preference for each in others), default=0) + ABOVE)
    if own:
        letter.server = own[0].name
        letter.listed = bool(others) and own[0].preference > others[0].preference
        letter.number = own[0].preference if letter.listed else letter.number
    letter.addresses = sorted({str(each) for each in todo.identity.addresses if not at_home(str(each))}
                              | {each for mx in own for each in mx.addresses if not at_home(each)})
    try:
        text = mtasts.fetch(name, todo.directory, deadline)
        letter.policy = None if text is None else mtasts.parse(text)
    except (DNSError, HTTPSError, mtasts.NoPolicy):
        # The check says so; the letter is about what there is.
        pass
    try:
        with smtp.Dialogue(todo.server, deadline.within(smtp.CONNECT_SECONDS)) as dialogue:
            dialogue.connect()
            dialogue.hello(todo.courtesy.name, tls=False)
            letter.etrn = "ETRN" in dialogue.extensions
    except (smtp.DialogueError, LookupFailed):
        pass
    return letter


def subject(letter: Letter, language: str) -> str:
    """Return the letter's subject in the `language` (of wording.LANGUAGES)."""
    return LANGUAGES[language]["subject"].format(**_places(letter))


def lines(letter: Letter, language: str) -> "List[str]":
    """Return the letter's lines (list of str), at most WIDTH wide, in the `language` (of wording.LANGUAGES)."""
    from textwrap import wrap
    words = LANGUAGES[language]
    told: List[str] = []

    def say(key: str, *examples: str) -> None:
        for paragraph in words[key].format(**_places(letter)).split("\n\n"):
            told.extend([*wrap(paragraph, WIDTH, break_long_words=False, break_on_hyphens=False), ""])
        if examples:
            told.extend([*("    " + example for example in examples), ""])

    say("greeting")
    say("mx", f"{letter.domain}. IN MX {letter.number} {letter.server}.")
    if letter.listed or not letter.known:
        say("there" if letter.listed else "unknown")
    policy = letter.policy
    if policy is None:
        say("sts-none")
    elif any(mtasts.matches(pattern, letter.server) for pattern in policy.patterns):
        say("sts-there")
    else:
        say("sts", f"mx: {letter.server}")
    say("accept", *letter.addresses)
    if not letter.addresses:
        say("no-address")
    say("test", "python3 -m mxbackup check \\", f"    --server {letter.server} {letter.domain}")
    say("by-hand")
    say("etrn" if letter.etrn else "ask")
    say("recipients")
    say("end")
    return told[:-1]


def _places(letter: Letter) -> "dict[str, str]":
    mode = letter.policy.mode if letter.policy else ""
    return {"domain": letter.domain, "server": letter.server, "contact": letter.contact, "mode": mode}
