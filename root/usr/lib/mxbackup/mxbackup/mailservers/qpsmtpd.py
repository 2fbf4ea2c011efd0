"""qpsmtpd: lists of its own in its config folders, where they are; without them it reads qmail's.

An SME Server 11 runs it three times, as qpsmtpd, sqpsmtpd (port 465) and uqpsmtpd (587), each with its own folder.
"""

import os

from esmith.paths import rooted
from mxbackup.host import engine, identity
from mxbackup.mailservers import lines, qmail
from mxbackup.mailservers.shape import MailFile, MailServer, file_exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, Tuple

    from esmith.database import Database
    from mxbackup.mailservers.shape import Wanted

PROGRAMS = ("qpsmtpd", "sqpsmtpd", "uqpsmtpd")
CONFIG = "/var/service/{}/config"
RCPTHOSTS = CONFIG.format("qpsmtpd") + "/rcpthosts"
SMTPROUTES = CONFIG.format("qpsmtpd") + "/smtproutes"
GOODRCPTTO = CONFIG.format("qpsmtpd") + "/goodrcptto"
# What a HOST gives, what a DOMAIN: there is no entry for everything below a name.
GOOD = ("@%\n", "@%\n")


def _own_file_exists(path: str) -> bool:
    # It hides qmail's of the same name: a new one, or one of our lines alone, refuses the host's own mail.
    return (
        os.path.isfile(rooted(path))
        and not os.path.islink(rooted(path))
        and (engine.is_ours() or engine.has_other_fragments(path))
    )


def _own_names(_db: "Database") -> "Iterator[Tuple[str, str]]":
    for program in PROGRAMS:
        me = CONFIG.format(program) + "/me"
        for name in qmail.control_lines(me)[:1]:
            yield name, me


def _good_recipients(wanted: "Wanted") -> str:
    return lines.text(wanted.in_force, *GOOD)


def _files(program: str) -> "Iterator[MailFile]":
    config = CONFIG.format(program)
    yield MailFile(
        "rcpthosts", config + "/rcpthosts", program, _own_file_exists, qmail.names, qmail.OPEN, qmail.read_names
    )
    # Only the plugin check_smtp_forward reads it, to ask the next hop whether it knows a recipient.
    yield MailFile("smtproutes", config + "/smtproutes", program, _own_file_exists, qmail.routes)


SERVER = MailServer(
    "qpsmtpd",
    (
        *(file for program in PROGRAMS for file in _files(program)),
        # qpsmtpd refuses every recipient that is not in it, so it must not appear where it was not.
        MailFile("goodrcptto", GOODRCPTTO, "qpsmtpd", file_exists, _good_recipients),
    ),
    own_names=_own_names,
    smart_host=identity.smart_host,
)
