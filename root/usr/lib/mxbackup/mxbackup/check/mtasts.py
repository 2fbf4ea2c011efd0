"""What a domain's MTA-STS policy (RFC 8461) means for its backup MX: strict senders go by it."""

import re
from collections import namedtuple

from esmith.errors import EsmithError
from mxbackup.check.verdict import FAULT, GOOD, NOTE, UNCHECKED, Finding
from mxbackup.network import https

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, NamedTuple, Optional

    from mxbackup.network.address import Deadline
    from mxbackup.network.dns import Directory

    class Policy(NamedTuple):
        mode: str
        patterns: List[str]
        max_age: int
else:
    Policy = namedtuple("Policy", "mode patterns max_age")
Policy.__doc__ = "A policy: mode (of MODES), patterns (list of str, its `mx`), max_age (int, seconds)."

MOST_OCTETS = 64 * 1024
MODES = ("enforce", "testing", "none")


class NoPolicy(EsmithError):
    """The domain says that it has a policy, but senders get none; the text says why."""


def fetch(domain: str, directory: "Directory", deadline: "Deadline") -> "Optional[str]":
    """Return the text of the policy of `domain`, None where its DNS says that it has none (RFC 8461, 3.1 and 3.3).

    Raise NoPolicy, network.dns.DNSError, network.https.HTTPSError.
    """
    said = [text for text in directory.texts("_mta-sts." + domain, deadline) if re.match(r"v=STSv1[ \t]*(;|$)", text)]
    # With two, senders take it that there is no policy.
    if len(said) != 1:
        return None
    host = "mta-sts." + domain
    addresses, _ = directory.addresses(host, deadline)
    page = https.get(host, addresses, "/.well-known/mta-sts.txt", MOST_OCTETS, deadline)
    if page.status != 200:
        raise NoPolicy(f"{host} answers with status {page.status}, not 200")
    if page.kind != "text/plain":
        raise NoPolicy(f"{host} sends another type than text/plain")
    return page.body.decode("utf-8", "replace")


def parse(text: str) -> Policy:
    """Return the Policy that `text` is (RFC 8461, 3.2); raise NoPolicy."""
    fields = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in text.splitlines())]
    # Of fields that come twice the first counts.
    first = dict(reversed(fields))
    if first.get("version") != "STSv1":
        raise NoPolicy("the policy has no line 'version: STSv1'")
    if first.get("mode") not in MODES:
        raise NoPolicy("the policy has no line 'mode: enforce', 'testing' or 'none'")
    if not re.match(r"[0-9]{1,10}$", first.get("max_age", "")):
        raise NoPolicy("the policy has no line 'max_age: SECONDS'")
    patterns = [value.lower().rstrip(".") for name, value in fields if name == "mx"]
    if not patterns and first["mode"] != "none":
        raise NoPolicy("the policy has no line 'mx: NAME'")
    return Policy(first["mode"], patterns, int(first["max_age"]))


def judge(domain: str, policy: Policy, names: "Iterable[str]") -> "List[Finding]":
    """Return findings on the MX `names` of ours (RFC 8461, 4.1 and 5)."""
    findings = []
    for name in names if policy.mode != "none" else ():
        if any(matches(pattern, name) for pattern in policy.patterns):
            findings.append(Finding("strict", GOOD, f"{name} is in the MTA-STS policy of {domain}"))
        else:
            findings.append(Finding(
                "strict", FAULT if policy.mode == "enforce" else NOTE,
                f"{name} is not in the MTA-STS policy of {domain} (mode {policy.mode}): strict senders leave it out",
                f"add the line 'mx: {name}' to https://mta-sts.{domain}/.well-known/mta-sts.txt, and then change "
                f"the id in the TXT record _mta-sts.{domain}"))
    return findings


def matches(pattern: str, name: str) -> bool:
    """Tell whether the host `name` is what `pattern` says: itself, or one label for `*` (RFC 8461, 4.1; RFC 6125)."""
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return name == pattern


def check(
    domain: str, names: "List[str]", untrusted: str, directory: "Directory", deadline: "Deadline"
) -> "List[Finding]":
    """Look at the policy of `domain`, whose MX `names` are ours; return findings, none where it has no policy.

    `untrusted` says why strict senders do not trust our STARTTLS certificate, or is "".
    """
    try:
        text = fetch(domain, directory, deadline)
        if text is None:
            return []
        policy = parse(text)
    except EsmithError as error:
        return [Finding("strict", UNCHECKED, f"the MTA-STS policy of {domain}: {error}",
                        f"let it be repaired, or remove the TXT record _mta-sts.{domain}")]
    findings = judge(domain, policy, names)
    if names and untrusted and policy.mode == "enforce":
        findings.append(Finding(
            "strict", FAULT, f"{domain} has an MTA-STS policy to enforce, and strict senders leave this host out: "
                             f"{untrusted}",
            f"give the mail server a certificate for {names[0]} from an authority that all trust"))
    return findings
