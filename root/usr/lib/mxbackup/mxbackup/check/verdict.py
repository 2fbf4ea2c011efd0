"""What a check found: findings, and the verdict they make together."""

from collections import namedtuple

from mxbackup.network.address import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, List, NamedTuple

    class _Finding(NamedTuple):
        part: str
        level: str
        text: str
        remedy: str
else:
    _Finding = namedtuple("_Finding", "part level text remedy")

GOOD, NOTE, UNCHECKED, FAULT = "good", "note", "unchecked", "fault"
# The parts of a check, in the order in which they are shown.
PARTS = ("files", "smtp", "dns", "loop", "strict")
SERVER = "SERVER"


class Finding(_Finding):
    """One thing found: its part (of PARTS), its level (GOOD, NOTE, UNCHECKED, FAULT), and two sentences.

    A fact that is neither good nor bad is a NOTE. `remedy` says what to do, or is "". Both are made
    printable ASCII, whatever a stranger's server put in them.
    """

    __slots__ = ()

    def __new__(cls, part: str, level: str, text: str, remedy: str = "") -> "Finding":
        return super().__new__(cls, part, level, printable(text, 1000), printable(remedy, 1000))


class Verdict:
    """What was found of one domain, or of the server itself.

    name        str: the domain as an A-label name, or the server's name
    kind        str: "HOST", "DOMAIN", "" where it is not known, "SERVER"
    findings    list of Finding
    transcript  list of str: the questions to DNS as host(1) shows them, the SMTP dialogues as telnet does
    """

    def __init__(
        self, name: str, kind: str, findings: "Iterable[Finding]" = (), transcript: "Iterable[str]" = (),
    ) -> None:
        # A database may hold any bytes for the server's.
        self.name = printable(name)
        self.kind = kind
        self.findings = list(findings)
        self.transcript = list(transcript)

    @property
    def state(self) -> str:
        """FAULT if there is one, else UNCHECKED if something or everything was not checked, else GOOD."""
        levels = {finding.level for finding in self.findings}
        return FAULT if FAULT in levels else UNCHECKED if UNCHECKED in levels or not levels else GOOD

    def at(self, level: str) -> "List[Finding]":
        """Return the findings of `level`, by part."""
        return sorted((finding for finding in self.findings if finding.level == level),
                      key=lambda finding: PARTS.index(finding.part))

    def as_dictionary(self) -> "Dict[str, Any]":
        """Return what --json and the store keep of it; the transcript is left out."""
        return {
            "name": self.name, "kind": self.kind, "state": self.state,
            "findings": [finding._asdict() for finding in self.findings],
        }


def exit_code(verdicts: "Iterable[Verdict]") -> int:
    """Return 0 if all `verdicts` are good, 1 if one has a fault, else 2."""
    states = {verdict.state for verdict in verdicts}
    return 1 if FAULT in states else 2 if UNCHECKED in states or not states else 0
