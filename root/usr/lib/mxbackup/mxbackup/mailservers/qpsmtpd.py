"""qpsmtpd: lists of its own in its config folder, where they are; without them it reads qmail's."""

import os

from esmith.paths import rooted
from mxbackup.host import engine, identity
from mxbackup.mailservers import lines, qmail
from mxbackup.mailservers.shape import MailFile, MailServer, file_exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.mailservers.shape import Wanted

CONFIG = "/var/service/qpsmtpd/config"
RCPTHOSTS = CONFIG + "/rcpthosts"
SMTPROUTES = CONFIG + "/smtproutes"
GOODRCPTTO = CONFIG + "/goodrcptto"
# What a HOST gives, what a DOMAIN: there is no entry for everything below a name.
GOOD = ("@%\n", "@%\n")


def _own_file_exists(path: str) -> bool:
    # It hides qmail's of the same name: a new one, or one of our lines alone, refuses the host's own mail.
    return (
        os.path.isfile(rooted(path))
        and not os.path.islink(rooted(path))
        and (engine.is_ours() or engine.has_other_fragments(path))
    )


def _good_recipients(wanted: "Wanted") -> str:
    return lines.text(wanted.in_force, *GOOD)


SERVER = MailServer(
    "qpsmtpd",
    (
        MailFile("rcpthosts", RCPTHOSTS, "qpsmtpd", _own_file_exists, qmail.names, qmail.OPEN, qmail.read_names),
        MailFile("smtproutes", SMTPROUTES, "qpsmtpd", _own_file_exists, qmail.routes),
        # qpsmtpd refuses every recipient that is not in it, so it must not appear where it was not.
        MailFile("goodrcptto", GOODRCPTTO, "qpsmtpd", file_exists, _good_recipients),
    ),
    smart_host=identity.smart_host,
    route=qmail.route_of(SMTPROUTES, _own_file_exists),
)
