"""Whether strict senders trust the certificate that the server shows after STARTTLS: its chain, names and days."""

import time

from mxbackup.check.mtasts import matches
from mxbackup.check.verdict import GOOD, NOTE, Finding
from mxbackup.network import smtp
from mxbackup.network.address import LookupFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

    from mxbackup.network.address import Deadline, Endpoint

# Authorities renew a certificate a month before its end; after that something is wrong.
FEW_DAYS = 14


class Certificate:
    """What the check found of the server's certificate.

    names      list of str: the host names that it is for; none where there is no TLS
    untrusted  str: why nobody trusts it, whatever its names; or ""
    findings   list of Finding
    """

    def __init__(self) -> None:
        self.names: List[str] = []
        self.untrusted = ""
        self.findings: List[Finding] = []

    def distrust(self, names: "List[str]") -> str:
        """Return why strict senders do not trust it for the MX `names`, "" where they do."""
        if self.untrusted:
            return self.untrusted
        for name in names:
            if not any(matches(pattern, name) for pattern in self.names):
                known = ", ".join(self.names[:4]) or "no name"
                return f"its certificate is for {known}, not for {name}"
        return ""


def check(server: "Endpoint", hello: str, names: "List[str]", deadline: "Deadline") -> Certificate:
    """Look at the certificate of `server`, known in DNS by `names`; return a Certificate.

    `hello` is our HELO name. A server without STARTTLS has no findings: senders that insist on TLS are told by
    `untrusted`.
    """
    seen = Certificate()
    try:
        found = smtp.certificate(server, hello, deadline)
    except smtp.TLSFailed as error:
        seen.untrusted = str(error)
        seen.findings.append(Finding("strict", NOTE, seen.untrusted, _remedy(names)))
        return seen
    except (smtp.DialogueError, LookupFailed):
        # The dialogue of the part smtp says what is wrong.
        seen.untrusted = "there was no dialogue to see its certificate in"
        return seen
    if found is None:
        seen.untrusted = "it offers no STARTTLS"
        return seen
    seen.names, ends = found
    days = int((ends - time.time()) // 86400)
    wrong = names and all(seen.distrust([name]) for name in names) and seen.distrust(names[:1])
    if wrong:
        seen.findings.append(Finding("strict", NOTE, wrong, _remedy(names)))
    elif days < FEW_DAYS:
        seen.findings.append(Finding("strict", NOTE, f"its certificate ends in {days} days", "renew it"))
    else:
        seen.findings.append(Finding(
            "strict", GOOD, f"its certificate is for {', '.join(seen.names[:4])}, trusted, and good for {days} days"))
    return seen


def _remedy(names: "List[str]") -> str:
    name = names[0] if names else "its name"
    return f"give the mail server a certificate for {name} from an authority that all trust"
