"""What the check says of servers that take too much, too little, or what it cannot judge."""

import json
import subprocess

import mailfront
import pytest
from qpsmtpd import qpsmtpd
from world import LIBRARY, PRIMARY, SERVER

from mxbackup.check.relay import below
from mxbackup.check.verdict import FAULT, GOOD, NOTE, UNCHECKED

BOTH_KINDS = ("smithnet.com\n.smithnet.com\n", "smithnet.com\n")
OWN_FORMS = ("@smithnet.com:user@evil.example", '"user@smithnet.com"@evil.example')
STRANGERS = ("user@evil.example", "user@example.net", "USER@EVIL.EXAMPLE", "user@evil.example.",
             "user@[192.0.2.25]")


@pytest.fixture
def control(tmp_path):
    """A folder for qmail's control files."""
    folder = tmp_path / "control"
    folder.mkdir()
    return folder


def check(address, *arguments, inside=(), timeout=60):
    """Run `mxbackup check --json` for smithnet.com; return its exit status and {name: verdict}."""
    done = subprocess.run(
        [*inside, "/usr/bin/python3", "-m", "mxbackup", "check", "--json", "-v", "--only", "smtp",
         "--server", "{}:{}".format(*address), *arguments, "smithnet.com"],
        cwd=LIBRARY, capture_output=True, text=True, timeout=timeout)
    assert done.stderr == ""
    server, domain = json.loads(done.stdout)["verdicts"]
    assert (server["kind"], domain["name"]) == ("SERVER", "smithnet.com")
    return done.returncode, server, domain


def texts(verdict, level):
    return " / ".join(finding["text"] for finding in verdict["findings"] if finding["level"] == level)


def test_every_counter_test_is_refused_by_both_servers(sme_mailfront, sme_qpsmtpd):
    for address, _ in (sme_mailfront, sme_qpsmtpd):
        status, server, domain = check(address, "--kind", "DOMAIN")
        assert (status, server["state"], domain["state"]) == (0, GOOD, GOOD)
        for verdict, refused in ((server, STRANGERS), (domain, OWN_FORMS)):
            lines = verdict["transcript"]
            for recipient in refused:
                reply = lines[lines.index(f"RCPT TO:<{recipient}>") + 1]
                assert reply.startswith("5"), (recipient, reply)
        # The primary's business: a note, and no fault.
        assert "<user%evil.example@smithnet.com> and <evil.example!user@smithnet.com>" in texts(domain, NOTE)


def test_each_recipient_is_a_transaction_of_its_own_and_we_take_leave(sme_mailfront):
    lines = check(sme_mailfront[0], "--as", "admin@anything.other.org")[2]["transcript"]
    said = [line for line in lines if not line[:3].isdigit()]
    assert said[:4] == ["Trying 127.0.0.1...", "Connected to 127.0.0.1.", "Escape character is '^]'.",
                        "EHLO anything.other.org"]
    assert said[4:7] == ["MAIL FROM:<admin@anything.other.org>", "RCPT TO:<postmaster@smithnet.com>", "RSET"]
    assert said[4:-2:3] == ["MAIL FROM:<admin@anything.other.org>"] * 6
    assert said[-3:] == ["RSET", "QUIT", "Connection closed by foreign host."]
    assert "DATA" not in said


@pytest.mark.parametrize("rcpthosts, kind, state, text", [
    (BOTH_KINDS[0], "DOMAIN", GOOD, ""),
    (BOTH_KINDS[1], "HOST", GOOD, ""),
    (BOTH_KINDS[1], "DOMAIN", FAULT, "refuses mail for names below smithnet.com, though"),
    (BOTH_KINDS[0], "HOST", FAULT, "it takes mail for names below smithnet.com, though the rule is a HOST"),
    ("doecom.net\n", "HOST", FAULT, "it refuses mail for smithnet.com: 550 5.1.0 Mail system is not"),
])
def test_the_kind_of_a_rule_is_held_against_the_server(control, rcpthosts, kind, state, text):
    (control / "rcpthosts").write_text(rcpthosts)
    with mailfront.start(control) as server:
        status, _, domain = check(server.address, "--kind", kind)
    assert (domain["state"], status) == (state, 0 if state == GOOD else 1)
    assert text in texts(domain, FAULT)


def test_without_a_rule_the_names_below_are_only_reported(control):
    both_words = "takes mail for names below", "refuses mail for names below"
    for rcpthosts, words in zip(BOTH_KINDS, both_words, strict=True):
        (control / "rcpthosts").write_text(rcpthosts)
        with mailfront.start(control) as server:
            status, _, domain = check(server.address)
        assert (status, domain["state"]) == (0, GOOD)
        assert words in texts(domain, NOTE)


def test_an_open_relay_is_found_from_outside(world, control):
    """mailfront accepts by another plugin than qmail's: from 200.200.200.200 that is a fault."""
    with mailfront.start(control, SERVER, 2525, inside=world.server, plugins=["accept"]) as relay:
        status, server, domain = check_in_world(world, relay)
    assert (status, server["state"], domain["state"]) == (1, FAULT, FAULT)
    assert "OPEN RELAY: from 200.200.200.200 it takes mail for" in texts(server, FAULT)
    for recipient in STRANGERS:
        assert f"<{recipient}>" in texts(server, FAULT)
    for recipient in OWN_FORMS:
        assert f"OPEN RELAY: it takes mail for <{recipient}>" in texts(domain, FAULT)


def check_in_world(world, server):
    done = world.check("--json", "--only", "smtp", "--server", "{}:{}".format(*server.address), "smithnet.com")
    assert done.stderr == ""
    return (done.returncode, *json.loads(done.stdout)["verdicts"])


def test_from_an_address_that_may_relay_nothing_is_proved(control):
    (control / "rcpthosts").write_text(BOTH_KINDS[0])
    with mailfront.start(control, relay=True) as server:
        status, relay, domain = check(server.address)
        assert (status, relay["state"], domain["state"]) == (2, UNCHECKED, UNCHECKED)
        assert "from here (127.0.0.1), an address that it may let relay" in texts(relay, UNCHECKED)
        assert "run this check from outside" in relay["findings"][0]["remedy"]
        assert "mxbackup check --server THIS.HOST smithnet.com" in relay["findings"][0]["remedy"]
        # Unless the user knows better.
        status, relay, domain = check(server.address, "--outside")
        assert (status, relay["state"], domain["state"]) == (1, FAULT, FAULT)


def test_a_friend_is_not_sent_to_his_own_loopback(sme, control):
    """Run on the host itself, the advice names the host as it is called elsewhere."""
    (control / "rcpthosts").write_text(BOTH_KINDS[0])
    with mailfront.start(control, relay=True) as server:
        done = sme.run("mxbackup", "check", "--only", "smtp", "--server", "{}:{}".format(*server.address))
    assert done.returncode == 2
    assert done.stdout.count("run this check from outside: mxbackup check --server sme.doecom.net ") == 3


def test_a_private_network_is_no_outside(world, control):
    """From the server's own machine, though by its public address."""
    (control / "rcpthosts").write_text(BOTH_KINDS[0])
    with mailfront.start(control, PRIMARY, 2526, inside=world.server, relay=True):
        done = world.check("--only", "smtp", "--server", f"{PRIMARY}:2526", "smithnet.com",
                           inside=world.server)
    assert done.returncode == 2
    assert f"from here ({PRIMARY}), an address that it may let relay" in done.stdout


def test_qpsmtpd_that_lets_loopback_relay_is_recognised(sme):
    rcpthosts = sme / "/var/qmail/control/rcpthosts"
    with qpsmtpd(rcpthosts, ("relay", "rcpt_ok"), relayclients="127.0.0.") as (address, _):
        status, server, _ = check(address)
    assert (status, server["state"]) == (2, UNCHECKED)


def test_a_name_below_is_always_the_same_and_is_nobodys():
    assert below("smithnet.com") == below("smithnet.com")
    assert below("smithnet.com") != below("mail.bar.org")
    assert below("smithnet.com").endswith(".smithnet.com")
