"""The letter to the friend, from real DNS and a real mail server."""

import json

import mailfront
import pytest
from loopback import name_server

from mxbackup.check import letter, mtasts, wording

ZONES = {
    "smithnet.com": "@ MX 7 mail\nmail A 192.0.2.1\n",
    "bar.org": "@ MX 0 mail\n@ MX 20 sme.doecom.net.\nmail A 192.0.2.1\n",
    "doecom.net": "sme A 203.0.113.7\n",
}


@pytest.fixture
def write(host, tmp_path):
    """Returns a call of `mxbackup letter` on a host that its friends' DNS and its own mailfront stand for."""
    host.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=sme\n")
    assert host.run("mxbackup", "add", "smithnet.com", "bar.org").returncode == 0
    with name_server(tmp_path, ZONES) as dns, mailfront.start(host / "/var/qmail/control") as server:
        yield lambda *arguments: host.run(
            "mxbackup", "letter", "--server", "{}:{}".format(*server.address), "--nameserver", dns, *arguments)


@pytest.mark.parametrize("language, needs", [
    ("en", "higher than that of your own server"), ("fr", "plus grand que celui de votre serveur")])
def test_it_has_the_line_for_the_zone_and_our_addresses(write, language, needs):
    done = write("smithnet.com", "--language", language)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= letter.WIDTH
    assert "\n    smithnet.com. IN MX 17 sme.doecom.net.\n" in done.stdout
    assert "\n    203.0.113.7\n" in done.stdout
    assert needs in " ".join(done.stdout.split())
    assert "--server sme.doecom.net smithnet.com\n" in done.stdout
    assert "admin@doecom.net" in done.stdout


def test_a_record_that_is_there_is_said(write):
    done = write("bar.org", "--json")
    said = json.loads(done.stdout)
    assert said["subject"] == "Backup MX for bar.org"
    assert "    bar.org. IN MX 20 sme.doecom.net.\n\n(It is there already.)\n" in said["text"]


def test_it_is_mailed(write, host, tmp_path):
    host.write("/usr/sbin/sendmail", f'#!/bin/sh\n{{ echo "$@"; cat; }} > {tmp_path}/mail\n', 0o755)
    done = write("smithnet.com", "--language", "fr", "--mail", "postmaster@smithnet.com")
    assert (done.returncode, done.stdout) == (0, "sent to postmaster@smithnet.com\n")
    mail = (tmp_path / "mail").read_text()
    assert mail.startswith("-i -- postmaster@smithnet.com\nTo: postmaster@smithnet.com\nSubject: MX de secours pour ")
    assert "Content-Type: text/plain; charset=utf-8\n" in mail and "prêt" in mail


def test_a_name_that_is_no_rule_is_refused(write):
    done = write("hotmail.com")
    assert done.returncode == 2
    assert done.stderr == ("mxbackup: hotmail.com is no rule of this host: add it first, with mxbackup add "
                           "hotmail.com\n")


@pytest.mark.parametrize("language", wording.LANGUAGES)
def test_what_there_is_decides_what_is_said(language):
    words = {text: key for key, text in wording.LANGUAGES[language].items()}
    assert set(wording.ENGLISH) == set(wording.FRENCH) and len(words) == len(wording.ENGLISH)
    told = letter.Letter("smithnet.com", "mail.doecom.net", "admin@doecom.net")
    told.policy = mtasts.Policy("enforce", ["mail.smithnet.com"], 1)
    told.etrn = True
    text = "\n".join(letter.lines(told, language))
    assert "    mx: mail.doecom.net\n" in text and "ETRN smithnet.com" in " ".join(text.split())
    told.policy = mtasts.Policy("enforce", ["*.doecom.net"], 1)
    told.etrn = False
    text = "\n".join(letter.lines(told, language))
    assert "    mx: " not in text and "ETRN" not in text and "(mode enforce)" in " ".join(text.split())
