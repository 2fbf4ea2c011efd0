"""What strict senders and servers make of the backup MX: real DNS, HTTPS and TLS, an authority of the test's own."""

import json
import time

import pytest
import secure
from world import PYTHON, wait_for

from mxbackup.check import mtasts
from mxbackup.check.verdict import FAULT, GOOD, NOTE, UNCHECKED


@pytest.fixture(scope="module")
def checked(world, tmp_path_factory):
    """Returns what the part strict says: check(server, *domains) -> {name: (state, findings)}."""
    folder = tmp_path_factory.mktemp("secure")
    secure.make(folder)
    world.start(world.server, PYTHON, secure.__file__, world.secure, folder / "crt.pem", folder / "key.pem")
    knock = f"import socket; socket.create_connection(('{world.secure}', 443), 1)"
    wait_for(lambda: world.run(world.friend, PYTHON, "-c", knock).returncode == 0)

    def check(server, *domains, trusting=True, arguments=()):
        environment = {"SSL_CERT_FILE": str(folder / "ca.pem")} if trusting else {}
        done = world.check("--json", "--only", "strict", "--server", server, *arguments, *domains,
                           environment=environment)
        assert done.stderr == ""
        return {verdict["name"]: (verdict["state"], verdict["findings"])
                for verdict in json.loads(done.stdout)["verdicts"]}

    return check


def texts(verdict, level):
    return [finding["text"] for finding in verdict[1] if finding["level"] == level]


def test_a_domain_without_a_policy_gets_no_word(checked):
    found = checked("mail.doecom.net", "smithnet.com")
    assert found["smithnet.com"] == ("unchecked", [])


@pytest.mark.parametrize("domain, state, text", [
    ("by-wildcard.org", GOOD, "mail.doecom.net is in the MTA-STS policy of by-wildcard.org"),
    ("lacking.org", FAULT, "mail.doecom.net is not in the MTA-STS policy of lacking.org (mode enforce): "
                           "strict senders leave it out"),
    ("testing.org", NOTE, "mail.doecom.net is not in the MTA-STS policy of testing.org (mode testing): "
                          "strict senders leave it out"),
    ("enforce.org", FAULT, "enforce.org has an MTA-STS policy to enforce, and strict senders leave this host out: "
                           "it offers no STARTTLS"),
    ("no-mode.org", UNCHECKED, "the MTA-STS policy of no-mode.org: the policy has no line 'mode: enforce', 'testing' "
                               "or 'none'"),
    ("wrong-name.org", UNCHECKED, "the MTA-STS policy of wrong-name.org: mta-sts.wrong-name.org: no trusted "
                                  "connection: Hostname mismatch"),
    ("redirecting.org", UNCHECKED, "mta-sts.redirecting.org answers with status 301, not 200"),
    ("wrong-type.org", UNCHECKED, "mta-sts.wrong-type.org sends another type than text/plain"),
    ("huge.org", UNCHECKED, "mta-sts.huge.org: its answer is too long"),
])
def test_a_policy_is_judged(checked, domain, state, text):
    found = checked("mail.doecom.net", domain)[domain]
    assert any(text in said for said in texts(found, state)), found
    for finding in found[1]:
        assert finding["remedy"] or finding["level"] not in (FAULT, UNCHECKED)


def test_a_policy_that_is_off_gets_no_word(checked):
    assert checked("mail.doecom.net", "off.org")["off.org"] == ("unchecked", [])


def test_hostile_pages_take_no_longer_than_the_time_that_a_domain_has(checked):
    names = ("slow.org", "endless.org", "silent.org")
    started = time.monotonic()
    found = checked("mail.doecom.net", *names, arguments=("--timeout", "3"))
    assert time.monotonic() - started < 20
    assert [found[name][0] for name in names] == [UNCHECKED] * 3


def test_an_authority_that_this_machine_does_not_know_is_not_trusted(checked):
    found = checked("mail.doecom.net", "enforce.org", trusting=False)["enforce.org"]
    assert "no trusted connection" in texts(found, UNCHECKED)[0]


def test_a_server_with_a_trusted_certificate_satisfies_a_policy_to_enforce(checked):
    found = checked("tls.doecom.net", "trusted.org")
    server, domain = found["tls.doecom.net:25"], found["trusted.org"]
    assert any(text.startswith("its certificate is for mta-sts.enforce.org, ") and text.endswith("good for 28 days")
               for text in texts(server, GOOD)), server
    assert domain[0] == GOOD and texts(domain, GOOD) == ["tls.doecom.net is in the MTA-STS policy of trusted.org"]


def test_a_certificate_that_is_not_trusted_or_for_another_name_is_a_note(checked, world):
    found = checked("tls.doecom.net", "smithnet.com", trusting=False)["tls.doecom.net:25"]
    assert any(text.startswith("its certificate is not trusted: ") for text in texts(found, NOTE))
    found = checked(world.secure, "smithnet.com", arguments=("--name", "other.doecom.net"))[f"{world.secure}:25"]
    assert any(text.startswith("its certificate is for ") and text.endswith(", not for other.doecom.net")
               for text in texts(found, NOTE))


def test_an_address_is_confirmed_forward_and_backward(checked):
    found = checked("mail.doecom.net", "smithnet.com")["mail.doecom.net:25"]
    assert "111.112.113.114 is mail.doecom.net in reverse DNS, and the other way round" in texts(found, GOOD)


@pytest.mark.parametrize("last, text", [
    ("116", "111.112.113.116 has no name in reverse DNS: strict servers refuse its mail"),
    ("117", "111.112.113.117 is mail.doecom.net in reverse DNS, which has another address: strict servers refuse its "
            "mail"),
])
def test_an_address_that_is_not_confirmed_is_a_note(checked, last, text):
    found = checked(f"111.112.113.{last}", "smithnet.com", arguments=("--timeout", "4"))[f"111.112.113.{last}:25"]
    assert text in texts(found, NOTE)


def test_the_name_in_the_greeting_is_in_dns(world):
    done = world.check("--json", "--server", "mail.doecom.net", "smithnet.com")
    assert "its HELO name sme.doecom.net is in DNS" in done.stdout


@pytest.mark.parametrize("pattern, name, yes", [
    ("mail.a.org", "mail.a.org", True), ("*.a.org", "mail.a.org", True), ("*.a.org", "x.mail.a.org", False),
    ("*.a.org", "a.org", False), ("mail.a.org", "xmail.a.org", False)])
def test_a_pattern_matches_one_label(pattern, name, yes):
    assert mtasts.matches(pattern, name) is yes
