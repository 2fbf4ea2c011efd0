"""obtuse smtpd, the front end of SME 5.0 and 5.12: one list, which decides what it lets in."""

from mxbackup.mailservers import lines
from mxbackup.mailservers.shape import MailFile, MailServer, Unreadable, folder_exists
from mxbackup.rules.rule import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict

    from mxbackup.mailservers.shape import Kinds, Lines, Wanted

CHECK_RULES = "/var/spool/smtpd/etc/smtpd_check_rules"
# What a HOST gives, what a DOMAIN. One line a rule: smtpd fails on a line of more than 1,022 bytes.
ALLOWED = ("allow:ALL:ALL:*@%\n", "allow:ALL:ALL:*.% *@%\n")


def _text(wanted: "Wanted") -> str:
    return lines.text(wanted.in_force, *ALLOWED)


def _read(numbered: "Lines") -> "Kinds":
    plain: Dict[str, int] = {}
    dotted: Dict[str, int] = {}
    for number, line in numbered:
        action, source, sender, recipients = (line.split(":") + [""] * 3)[:4]
        given = (action, source, sender) == ("allow", "ALL", "ALL") and line.count(":") == 3
        if not given or not recipients.strip():
            raise Unreadable(f"line {number}: {printable(line)} is no line like allow:ALL:ALL:*.d *@d")
        for pattern in recipients.split():
            if not pattern.startswith(("*.", "*@")):
                raise Unreadable(f"line {number}: {printable(pattern)} is neither *.NAME nor *@NAME")
            (dotted if pattern[1] == "." else plain).setdefault(lines.name(number, pattern[2:]), number)
    return lines.rules(plain, dotted)


SERVER = MailServer(
    "obtuse smtpd", (MailFile("smtpd_check_rules", CHECK_RULES, "obtuse smtpd", folder_exists, _text, read=_read),)
)
