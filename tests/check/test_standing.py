"""Where the backup MX really stands: what this host's own mail server does with a domain's DNS, odd or right."""

import json

import postfix
import pytest
from sandbox import CHECKOUT, Sandbox
from world import DNS, ROUTER, SECURE, wait_for, write_zones

from mxbackup.check.exchangers import Exchanger
from mxbackup.check.verdict import FAULT, GOOD, NOTE
from mxbackup.mailservers import fate

BOUNCES = "no MX before this host has an IPv4 address, and qmail asks for no other: the mail bounces"
CIRCLES = (f"qmail does not know {ROUTER} of backup.behind-nat.org as this host's: while the primary is away it "
           "sends the mail to itself in circles, and bounces it")
LOOPING = (f"Postfix does not know {ROUTER} of backup.behind-nat.org as this host's: while the primary is away it "
           "calls itself, and puts the mail off as looping")
DOMAINS = ("elsewhere.org", "smithnet.com", "at-loopback.org", "wildcard-first.org", "behind-nat.org", "below-us.org",
           "ipv6.org", "no-address.org", "only-us.org")


def make(folder, name="mail"):
    """A host of that name with every domain a DOMAIN."""
    host = Sandbox(folder).plant()
    host.write("/home/e-smith/db/configuration", f"DomainName=doecom.net\nSystemName={name}\n")
    host.write("/etc/resolv.conf", f"nameserver {DNS}\n")
    return host


def with_rules(host):
    done = host.run("mxbackup", "add", "--domain", *DOMAINS)
    assert done.returncode == 0, done.stderr
    return host


def with_qmail(host):
    host.write("/var/qmail/control/me", "mail.doecom.net\n")
    host.write("/var/qmail/bin/qmail-remote", "")
    return with_rules(host)


def checked(world, host, *domains, arguments=()):
    """{domain: [(level, text, remedy), ...]} of the part dns, on the host itself."""
    done = world.check("--json", "--only", "dns", *arguments, *domains, inside=world.server,
                       environment={"ESMITH_ROOT": str(host.path)})
    assert done.stderr == ""
    return {verdict["name"]: [(f["level"], f["text"], f["remedy"]) for f in verdict["findings"]]
            for verdict in json.loads(done.stdout)["verdicts"]}


def at(level, findings):
    return [text for found, text, _ in findings if found == level]


@pytest.fixture(scope="module")
def qmail(tmp_path_factory):
    return with_qmail(make(tmp_path_factory.mktemp("qmail")))


@pytest.fixture(scope="module")
def qmail_behind_nat(tmp_path_factory):
    return with_qmail(make(tmp_path_factory.mktemp("nat"), "nat"))


def test_a_right_domain_is_good(world, qmail):
    assert at(FAULT, checked(world, qmail, "elsewhere.org")["elsewhere.org"]) == []


@pytest.mark.parametrize("domain, text", [
    ("at-loopback.org", "qmail takes mail.at-loopback.org (127.0.0.1) for this host itself, and bounces the mail at "
                        "once"),
    ("wildcard-first.org", "qmail takes mail.wildcard-first.org (0.0.0.0) for this host itself, and bounces the mail "
                           "at once"),
    ("ipv6.org", BOUNCES),
    ("no-address.org", BOUNCES),
    ("below-us.org", "names below below-us.org have no MX but this host: there is no primary to hand the mail to"),
])
def test_what_qmail_bounces_is_a_fault(world, qmail, domain, text):
    findings = checked(world, qmail, domain)[domain]
    assert text in at(FAULT, findings), findings
    assert all(remedy for level, _, remedy in findings if level == FAULT)


def test_behind_nat_the_host_is_known_by_the_address_of_its_own_name(world, qmail_behind_nat):
    """Nobody has to name himself; qmail, which knows its interfaces only, goes in circles."""
    findings = checked(world, qmail_behind_nat, "behind-nat.org")["behind-nat.org"]
    assert "backup.behind-nat.org (5) is an MX behind mail.behind-nat.org (0)" in at(GOOD, findings)
    assert at(FAULT, findings) == [CIRCLES]


def test_another_s_server_is_not_taken_for_ours(world, qmail):
    findings = checked(world, qmail, "behind-nat.org")["behind-nat.org"]
    assert any(text.startswith("mail.doecom.net is not among its MXs") for text in at(FAULT, findings))


@pytest.mark.parametrize("domain", ["only-us.org", "behind-nat.org", "ipv6.org", "no-address.org"])
def test_with_a_next_hop_no_dns_is_odd(world, tmp_path, domain):
    host = with_qmail(make(tmp_path, "nat" if domain == "behind-nat.org" else "mail"))
    host.write("/home/e-smith/db/mxbackup", f"{domain}=rule|NextHop|[100.99.98.97]:2525\n")
    findings = checked(world, host, domain)[domain]
    assert at(FAULT, findings) == []
    assert any("is an MX, and hands the mail to the next hop [100.99.98.97]:2525" in text
               for text in at(GOOD, findings)), findings


def test_a_name_server_that_answers_this_host_otherwise(world, qmail, tmp_path):
    zone = "@ MX 0 mail.doecom.net.\n"
    configuration = write_zones(tmp_path / "zones", {
        "smithnet.com": zone, "doecom.net": "mail A 111.112.113.114\n"}, SECURE, 53)
    world.start(world.server, "nsd", "-d", "-c", configuration)
    ask = f"import dns.query, dns.message\ndns.query.udp(dns.message.make_query('smithnet.com', 'MX'), '{SECURE}', 1)"
    wait_for(lambda: world.run(world.server, "/usr/bin/python3", "-c", ask).returncode == 0)
    qmail.write("/etc/resolv.conf", f"nameserver {SECURE}\n")
    try:
        findings = checked(world, qmail, "smithnet.com")["smithnet.com"]
    finally:
        qmail.write("/etc/resolv.conf", f"nameserver {DNS}\n")
    assert ("this host's name server says mail.doecom.net (0), where the domain's own say mail.smithnet.com (0), "
            "mail.doecom.net (5): mail here goes by the former") in at(NOTE, findings), findings


def test_the_name_server_given_is_asked_for_the_server_too(world, tmp_path):
    """This host's own resolver knows none of its zones."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.99\n")
    silent = [str(CHECKOUT / "packaging/apart"), "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"']
    done = world.check("-v", "--only", "smtp", "--server", "tls.doecom.net", "--nameserver", DNS, "--timeout", "6",
                       "smithnet.com", inside=[*world.friend, *silent, str(tmp_path / "resolv.conf")])
    assert f"Trying {SECURE}..." in done.stdout


@pytest.fixture
def postfix_host(tmp_path):
    """Returns a host with Postfix, not running, and these settings."""
    def made(settings):
        host = make(tmp_path, "nat")
        postfix.Postfix(host.path, settings + "\nmyhostname = nat.doecom.net\ninet_interfaces = all\n")
        return with_rules(host)
    return made


@pytest.mark.parametrize("settings, expected", [
    ("", [LOOPING]), (f"proxy_interfaces = {ROUTER}", []), ("proxy_interfaces = 192.0.2.1", [LOOPING])])
def test_postfix_behind_nat_wants_proxy_interfaces(world, postfix_host, settings, expected):
    findings = checked(world, postfix_host(settings), "behind-nat.org")["behind-nat.org"]
    assert [text for text in at(NOTE, findings) if "Postfix" in text] == expected, findings
    assert at(FAULT, findings) == []
    assert expected == [] or f"run: postconf -e 'proxy_interfaces = {ROUTER}' && postfix reload" in [
        remedy for _, _, remedy in findings]


@pytest.mark.parametrize("settings, asked", [
    ("inet_protocols = ipv4", "an IPv4 address, and Postfix asks for no other: the mail bounces"),
    ("inet_protocols = all", "the primary, mail.ipv6.org, has IPv6 addresses only, and this host has no route to "
                             "them: mail waits here, and bounces in the end")])
def test_postfix_and_a_primary_with_ipv6_alone(world, postfix_host, settings, asked):
    findings = checked(world, postfix_host(settings), "ipv6.org", arguments=("--name", "mail.doecom.net"))["ipv6.org"]
    assert any(asked in text for text in at(FAULT, findings)), findings


@pytest.mark.parametrize("exchangers, count", [
    ([], 1), ([Exchanger(0, "a", ["192.0.2.1"], False)], 0), ([Exchanger(0, "us", ["192.0.2.9"], True)], 0),
    ([Exchanger(0, "a", [], False), Exchanger(5, "b", ["192.0.2.1"], False),
      Exchanger(9, "us", ["192.0.2.9"], True)], 0),
    ([Exchanger(0, "a", [], False), Exchanger(9, "us", ["192.0.2.9"], True)], 1),
    ([Exchanger(0, "a", ["192.0.2.1"], False), Exchanger(9, "us", ["192.0.2.8"], True)], 1),
])
def test_the_fate_of_mail_by_its_mx_records(exchangers, count):
    told = list(fate.judge("qmail", exchangers, False, True, "192.0.2.9".__eq__, (True, "{name} {address}", "")))
    assert len(told) == count
