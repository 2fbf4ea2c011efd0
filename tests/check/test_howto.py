"""The how-to's four dialogues, held with today's servers on the files that mxbackup made.

Lines that start with a code are the server's. Where today's server says what the how-to's did, it is there
word for word; an enhanced status code (RFC 2034), which those servers did not have yet, is not counted.
"""

import re
import subprocess

import mailfront
import pytest
from world import LIBRARY

from mxbackup.network.address import Deadline, Endpoint
from mxbackup.network.smtp import Dialogue

MESSAGE = """\
From: admin@anything.other.org
To: john.smith@smithnet.com
Date: Tue, 09 Mar 2004 21:00:00 +0000
Subject: Test

This test is very famous !
"""

ACCEPTED = """\
220 sme.doecom.net mailfront ESMTP
HELO anything.other.org
250 sme.doecom.net
MAIL FROM:<admin@anything.other.org>
250 Sender accepted.
RCPT TO:<john.smith@smithnet.com>
250 Recipient accepted.
DATA
354 End your message with a period on a line by itself.
.
250 Message accepted.
QUIT
221 Good bye.
"""

REFUSED = """\
220 sme.doecom.net mailfront ESMTP
HELO anything.other.org
250 sme.doecom.net
MAIL FROM:<a_guy@anything.other.org>
250 Sender accepted.
RCPT TO:<tomy@hotmail.com>
550 Mail system is not configured to accept that recipient
QUIT
221 Good bye.
"""

ACCEPTED_BY_QPSMTPD = """\
220 sme.doecom.net ESMTP qpsmtpd 0.94 ready; send us your mail, but not your spam.
HELO anything.other.org
250 sme.doecom.net Hi Unknown [127.0.0.1]; I am so happy to meet you.
MAIL FROM:<admin@anything.other.org>
250 <admin@anything.other.org>, sender OK - how exciting to get mail from you!
RCPT TO:<john.smith@smithnet.com>
250 <john.smith@smithnet.com>, recipient ok
DATA
354 go ahead
.
250 Queued! <>
QUIT
221 sme.doecom.net closing connection. Have a wonderful day.
"""

REFUSED_BY_QPSMTPD = """\
220 sme.doecom.net ESMTP qpsmtpd 0.94 ready; send us your mail, but not your spam.
HELO anything.other.org
250 sme.doecom.net Hi Unknown [127.0.0.1]; I am so happy to meet you.
MAIL FROM:<a_guy@anything.other.org>
250 <a_guy@anything.other.org>, sender OK - how exciting to get mail from you!
RCPT TO:<tomy@hotmail.com>
550 Relaying denied (#5.7.1)
QUIT
221 sme.doecom.net closing connection. Have a wonderful day.
"""


def hold(address, expected):
    """Say the client's lines of the transcript `expected`; return the transcript as it went."""
    with Dialogue(Endpoint(*address), Deadline(10)) as dialogue:
        dialogue.connect()
        for line in expected.splitlines():
            if line == "DATA":
                dialogue.data(MESSAGE)
            elif not re.match(r"\d{3} |\.$", line):
                dialogue.command(line)
        shown = [line for line in dialogue.transcript[3:] if line not in MESSAGE.splitlines()]
    return "".join(re.sub(r"^(\d{3} )\d\.\d\.\d ", r"\1", line) + "\n" for line in shown)


def test_mail_for_a_backed_up_domain_is_accepted_by_mailfront(sme_mailfront):
    address, queue = sme_mailfront
    assert hold(address, ACCEPTED) == ACCEPTED
    sender, recipients, text = mailfront.messages(queue)[-1]
    assert (sender, recipients) == ("admin@anything.other.org", ["john.smith@smithnet.com"])
    assert text.startswith("Received: from anything.other.org ([127.0.0.1])\n  by sme.doecom.net")
    assert text.endswith("\n" + MESSAGE)


def test_mail_for_another_domain_is_refused_by_mailfront(sme_mailfront):
    assert hold(sme_mailfront[0], REFUSED) == REFUSED


def test_mail_for_a_backed_up_domain_is_accepted_by_qpsmtpd(sme_qpsmtpd):
    address, maildir = sme_qpsmtpd
    assert re.sub(r"Queued! .*", "Queued! <>", hold(address, ACCEPTED_BY_QPSMTPD)) == ACCEPTED_BY_QPSMTPD
    text = max((maildir / "new").iterdir()).read_text()
    assert "Return-Path: <admin@anything.other.org>" in text
    assert "Received: from Unknown (HELO anything.other.org) (127.0.0.1)\n by sme.doecom.net" in text
    assert text.endswith("\n" + MESSAGE)


def test_mail_for_another_domain_is_refused_by_qpsmtpd(sme_qpsmtpd):
    assert hold(sme_qpsmtpd[0], REFUSED_BY_QPSMTPD) == REFUSED_BY_QPSMTPD


def test_the_primarys_name_server_tells_of_the_backup(world):
    """`host -t mx smithnet.com 1.2.3.4`."""
    done = world.check(
        "--server", "mail.doecom.net", "--nameserver", "1.2.3.4", "--only", "dns", "smithnet.com", "-v")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Using domain server:\nName: 1.2.3.4\nAddress: 1.2.3.4#53\nAliases: \n\n"
        "smithnet.com mail is handled by 0 mail.smithnet.com.\n"
        "smithnet.com mail is handled by 5 mail.doecom.net.\n"
        "GOOD       smithnet.com\n"
        "    note, dns: port 25 of the primary, mail.smithnet.com (100.99.98.97), answers\n"
        "1 domain: 1 good, 0 with a fault, 0 not fully checked\n")


def test_a_domains_own_name_servers_are_asked_as_in_the_how_to(world):
    """`host -t mx cw.com`."""
    done = world.check("--server", "mail.doecom.net", "--only", "dns", "cw.com", "-v")
    assert ("cw.com mail is handled by 10 mail49.messagelabs.com.\n"
            "cw.com mail is handled by 20 mail14.messagelabs.com.\n") in done.stdout
    assert done.returncode == 1 and "mail.doecom.net is not among its MXs" in done.stdout


@pytest.mark.parametrize("arguments", [(), ("--as", "admin@anything.other.org")])
def test_a_friend_outside_proves_it_with_one_command(world, arguments):
    done = world.check("--server", "mail.doecom.net", *arguments, "smithnet.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("GOOD       server mail.doecom.net:25\nGOOD       smithnet.com\n")


def test_a_message_is_sent_only_where_it_is_asked_for(sme_mailfront):
    address, queue = sme_mailfront
    before = len(mailfront.messages(queue))
    command = ["/usr/bin/python3", "-m", "mxbackup", "check", "--server", "{}:{}".format(*address), "--only", "smtp",
               "--as", "admin@anything.other.org", "smithnet.com"]
    for send in ([], ["--send"]):
        assert len(mailfront.messages(queue)) == before
        done = subprocess.run([*command, *send], cwd=LIBRARY, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    sent = mailfront.messages(queue)[before:]
    assert [message[:2] for message in sent] == [("admin@anything.other.org", ["postmaster@smithnet.com"])]
    for header in ("Date: ", "Message-ID: <", "From: admin@anything.other.org\n",
                   "To: postmaster@smithnet.com\n"):
        assert "\n" + header in sent[0][2]
