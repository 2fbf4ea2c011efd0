"""The tar of static files for servers that are too old for Python: the how-to's methods one and two.

It is made on a host that runs this program and unpacked on the old server with `tar xvfP FILE`. Its
fragments are plain text: no Perl and no brace, so that any e-smith engine copies them as they are. The
names in it are absolute, as `tar` with P wants them, everything belongs to root, and the same rules give
the same bytes.
"""

import io
import os
import tarfile

from mxbackup.mailfiles.migration import HEADING, LIST, static
from mxbackup.mailservers import lines, obtuse, qmail, qpsmtpd
from mxbackup.rules.rule import DOMAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List

    from mxbackup.rules.rule import RuleSet

# The mail files that each kind of server decides by.
SERVERS = {
    "sme5": (obtuse.CHECK_RULES,),
    "sme55": (qmail.SMTPROUTES, qmail.RCPTHOSTS),
    "sme6": (qmail.SMTPROUTES, qmail.RCPTHOSTS),
    "sme7": (qmail.SMTPROUTES, qpsmtpd.GOODRCPTTO, qmail.RCPTHOSTS),
}
# What a rule gives in each: of another host, so that nothing of this one counts.
FORMS = {
    obtuse.CHECK_RULES: obtuse.ALLOWED,
    qmail.SMTPROUTES: qmail.ROUTES,
    qmail.RCPTHOSTS: qmail.NAMES,
    qpsmtpd.GOODRCPTTO: qpsmtpd.GOOD,
}


def files(rules: "RuleSet", server: str) -> "Dict[str, str]":
    """Return {absolute path: text} that make `server` (a key of SERVERS) a backup MX for `rules`."""
    made = {}
    if server == "sme5":
        made[LIST] = HEADING + "".join(
            rule.name + "\n" if rule.kind == DOMAIN else f"# {rule.name} alone\n" for rule in rules
        )
    for output in SERVERS[server]:
        made[static(output)] = HEADING + lines.text(rules.kinds, *FORMS[output])
    return made


def pack(rules: "RuleSet", server: str) -> bytes:
    """Return the tar (bytes) of `files(rules, server)`; its times are SOURCE_DATE_EPOCH or 0."""
    time = int(os.environ.get("SOURCE_DATE_EPOCH", 0))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, text in files(rules, server).items():
            data = text.encode("ascii")
            member = tarfile.TarInfo(path)
            member.size, member.mode, member.mtime = len(data), 0o644, time
            member.uname = member.gname = "root"
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def advice(path: str, server: str) -> "List[str]":
    """Return what is to be done with the tar `path` on the old server, as lines (list of str)."""
    outputs = SERVERS[server]
    told = [f"Copy {os.path.basename(path)} to the old server, and there, as root:", ""]
    told.append(f"  tar xvfP {os.path.basename(path)}")
    for output in outputs:
        if output != qpsmtpd.GOODRCPTTO:
            told.append("  /sbin/e-smith/expand-template " + output)
    if qpsmtpd.GOODRCPTTO in outputs:
        # Made where none was, it would refuse all other mail.
        told.append(f"  [ ! -e {qpsmtpd.GOODRCPTTO} ] || /sbin/e-smith/expand-template {qpsmtpd.GOODRCPTTO}")
    return told
