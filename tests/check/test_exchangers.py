"""What the check says of MX records: nsd serves one right zone and each kind of wrong one."""

import json

import pytest

from mxbackup.check.exchangers import Identity
from mxbackup.check.verdict import FAULT, GOOD, NOTE, UNCHECKED

ANSWERS = "port 25 of the primary, mail.{zone} (100.99.98.97), answers"

EXPECTED = {
    "smithnet.com": (GOOD, ANSWERS),
    "www.smithnet.com": (GOOD, "port 25 of the primary, mail.smithnet.com (100.99.98.97), answers"),
    "byaddress.org": (GOOD, ANSWERS),
    "long-answer.org": (GOOD, "only the first 10 of 62 MX records were looked at"),
    "primary-down.org": (GOOD, "the primary, mail.primary-down.org (100.99.98.99), does not answer"),
    "primary-at-home.org": (GOOD, "(192.168.1.2), cannot be reached from elsewhere"),
    "ipv6.org": (GOOD, "port 25 of the primary, mail.ipv6.org (2001:db8::25), does not answer"),
    "without-us.org": (FAULT, "mail.doecom.net is not among its MXs: mail.without-us.org (0)"),
    "we-are-first.org": (FAULT, "mail.doecom.net is its primary MX (5), before mail.we-are-first.org (10)"),
    "same-number.org": (FAULT, "mail.doecom.net and mail.same-number.org have the same number (5)"),
    "only-us.org": (FAULT, "mail.doecom.net is its only MX: there is no primary to hand the mail to"),
    "alias-as-mx.org": (FAULT, "MX 5 alias.doecom.net is an alias (CNAME) of mail.doecom.net"),
    "address-as-mx.org": (FAULT, "MX 0 is the address 100.99.98.97, where a host name must be"),
    "null-mx.org": (FAULT, "null-mx.org says by a null MX that it takes no mail (RFC 7505)"),
    "no-mx.org": (FAULT, "no-mx.org has no MX record"),
    "no-address.org": (FAULT, "MX 0 mail.no-address.org has no address"),
    "nothere.smithnet.com": (FAULT, "nothere.smithnet.com does not exist in DNS"),
    "a.circle.org": (FAULT, "the CNAME records of a.circle.org run in a circle"),
    "unknown.info": (UNCHECKED, "1.2.3.4:53, asked for {kind} of unknown.info: REFUSED"),
}


@pytest.mark.parametrize("arguments, kind", [((), "NS"), (("--nameserver", "1.2.3.4"), "MX")],
                         ids=["the domain's own name servers", "the name server given"])
def test_each_zone_gets_its_verdict(world, arguments, kind):
    done = world.check("--json", "--only", "dns", "--server", "mail.doecom.net", *arguments, *EXPECTED)
    assert (done.returncode, done.stderr) == (1, "")
    verdicts = {verdict["name"]: verdict for verdict in json.loads(done.stdout)["verdicts"]}
    assert list(verdicts) == list(EXPECTED)
    for zone, (state, text) in EXPECTED.items():
        findings = verdicts[zone]["findings"]
        assert (zone, verdicts[zone]["state"]) == (zone, state), findings
        level = NOTE if state == GOOD else state
        said = [finding["text"] for finding in findings if finding["level"] == level]
        assert any(text.format(zone=zone, kind=kind) in line for line in said), (zone, findings)
        for finding in findings:
            assert finding["remedy"] or finding["level"] not in (FAULT, UNCHECKED)


def test_what_to_add_is_said_as_a_zone_file_has_it(world):
    done = world.check("--only", "dns", "--server", "mail.doecom.net", "without-us.org")
    assert "in the domain's public DNS add: without-us.org. IN MX 10 mail.doecom.net.\n" in done.stdout


def test_the_server_is_known_by_a_name_that_it_is_said_to_have(world):
    arguments = ("--only", "dns", "--nameserver", "1.2.3.4", "--server", "100.99.98.96", "smart.org")
    assert "100.99.98.96 is not among" not in world.check(*arguments).stdout
    done = world.check(*arguments, "--name", "smtp.provider.net")
    assert "smtp.provider.net is its primary MX (0)" in done.stdout


def test_no_resolver_is_no_verdict(world, tmp_path):
    done = world.check("--only", "dns", "--server", "mail.doecom.net", "smithnet.com",
                       environment={"ESMITH_ROOT": str(tmp_path)})
    assert done.returncode == 2
    assert "this machine's resolv.conf names no name server" in done.stdout


def test_a_loopback_address_in_dns_is_not_this_host():
    """Whoever looks it up is sent to himself."""
    identity = Identity(["sme.doecom.net"], ["127.0.0.1"], here=True)
    for address in ("127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"):
        assert not identity.is_own("localhost.smithnet.com", [address])
        assert identity.is_own("sme.doecom.net", [address])
