"""Postfix as a backup MX, with the real Postfix in a place of its own."""

import postfix
import pytest
from sandbox import Sandbox
from smtp import rcpt_answers

pytestmark = pytest.mark.needs(*postfix.NEEDS)

RULES = ["smithnet.com", "--domain"], ["mail.bar.org"], ["bücher.example", "--domain"]
TAKEN = ["x@smithnet.com", "x@deep.sub.smithnet.com", "x@mail.bar.org", "x@xn--bcher-kva.example"]
REFUSED = ["x@sub.mail.bar.org", "x@bar.org", "x@hotmail.com", "x@xsmithnet.com"]


@pytest.fixture
def place():
    with postfix.place() as folder:
        yield folder


def configured(folder):
    """The folder as a host with our files, for the commands."""
    host = Sandbox(folder).plant()
    host.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=mail\n")
    return host


def mxbackup(host, *arguments, status=0):
    ran = host.run("mxbackup", *arguments)
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran.stdout


def add(host):
    for rule in RULES:
        mxbackup(host, "add", *rule)


def test_exactly_the_rules_are_taken_from_strangers_and_withdrawal_leaves_main_cf_as_it_was(place):
    with postfix.start(place) as server:
        host, before = configured(place), server.settings()
        add(host)
        assert rcpt_answers(server.address, TAKEN) == [250] * len(TAKEN)
        assert rcpt_answers(server.address, REFUSED) == [454] * len(REFUSED)
        mxbackup(host, "status")
        changed = server.main.stat().st_ino
        mxbackup(host, "enable")
        host.run("signal-event", "mxbackup-update")
        assert server.main.stat().st_ino == changed
        mxbackup(host, "disable")
        assert rcpt_answers(server.address, TAKEN) == [454] * len(TAKEN)
        assert server.settings() == before
        assert not (server.etc / "mxbackup/tables").exists()


@pytest.mark.parametrize(("line", "now"), [
    ("relay_domains =\ntransport_maps =\n", ""),
    ("relay_domains = a.example,\n  {b.example}\n", "a.example, {b.example}"),
    ("relay_domains = $mydestination\nparent_domain_matches_subdomains =\n", "$mydestination"),
])
def test_what_the_administrator_has_and_adds_survives(place, line, now):
    with postfix.start(place, line + "relayhost = [192.0.2.9]\n") as server:
        host, before = configured(place), server.settings()
        add(host)
        assert rcpt_answers(server.address, TAKEN) == [250] * len(TAKEN)
        assert rcpt_answers(server.address, REFUSED) == [454] * len(REFUSED)
        mxbackup(host, "remove", "smithnet.com", "mail.bar.org", "bücher.example")
        assert server.settings() == before
        add(host)
        server.set(f"relay_domains = {server.value('relay_domains')}, new.example")
        mxbackup(host, "disable")
        assert server.value("relay_domains") == ", ".join(filter(None, (now, "new.example")))


def test_with_a_smart_host_mail_for_the_rules_goes_by_dns_or_to_their_next_hop(place):
    with postfix.start(place, "relayhost = [192.0.2.9]\n") as server:
        host = configured(place)
        add(host)
        host.write("/home/e-smith/db/mxbackup", "hidden.example=rule|NextHop|mail.hidden.example:2525\n")
        mxbackup(host, "add", "hidden.example", "--domain")
        table = server.value("transport_maps")

        def way(name):
            return server.run("postmap", "-q", name, table).stdout

        assert way("smithnet.com") == way(".smithnet.com") == "relay:\n"
        assert way("hidden.example") == "relay:[mail.hidden.example]:2525\n"


def test_a_table_that_cannot_be_made_leaves_the_former_state_in_force_and_is_told(place):
    with postfix.start(place) as server:
        host = configured(place)
        add(host)
        host.write("/etc/e-smith/templates-custom/etc/postfix/mxbackup/hosts/50mine", "novalue\n")
        ran = host.run("mxbackup", "add", "other.example")
        assert ran.returncode == 1 and "tables" in ran.stderr
        assert rcpt_answers(server.address, [*TAKEN, "x@other.example"]) == [250] * len(TAKEN) + [454]


def test_a_main_cf_that_is_a_link_is_left_alone_and_the_lines_are_told(place):
    with postfix.start(place) as server:
        host = configured(place)
        kept = place / "main.cf.kept"
        server.main.rename(kept)
        server.main.symlink_to(kept)
        before = kept.read_text()
        host.run("mxbackup", "add", "smithnet.com", "--domain")
        said = mxbackup(host, "status", status=1)
        assert "is a link" in said and "at the end of relay_domains: pipemap:{" in said
        assert kept.read_text() == before and server.main.is_symlink()
