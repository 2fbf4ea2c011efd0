"""What the check says of the host's own mail files, and of its way out by a smart host."""

import json
import os

import mailfront
import pytest
from mailservers import paces
from sandbox import Sandbox

from mxbackup.mailservers import qmail

RCPTHOSTS = "/var/qmail/control/rcpthosts"
SMTPROUTES = "/var/qmail/control/smtproutes"
FRAGMENT = "/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/20QandD"


@pytest.fixture
def backup(host):
    """The host with the DOMAIN smithnet.com, its files written."""
    done = host.run("mxbackup", "add", "--domain", "smithnet.com")
    assert done.returncode == 0, done.stderr
    return host


def check(host, *arguments):
    """Run `mxbackup check --json`; return the exit status and {name: [(level, text, remedy), ...]}."""
    done = host.run("mxbackup", "check", "--json", *arguments)
    assert done.stderr == ""
    facts = json.loads(done.stdout)
    assert done.stdout == json.dumps(facts, indent=1) + "\n", "the shape of every command's JSON"
    verdicts = facts["verdicts"]
    return done.returncode, {
        verdict["name"]: [(f["level"], f["text"], f["remedy"]) for f in verdict["findings"]]
        for verdict in verdicts}


def faults(host):
    status, verdicts = check(host, "--only", "files")
    found = [(text, remedy) for level, text, remedy in verdicts["sme.doecom.net"] if level == "fault"]
    assert status == (1 if found else 0)
    return found


def test_files_that_are_as_the_database_says_are_good(backup):
    assert faults(backup) == []
    assert check(backup, "--only", "files")[1]["sme.doecom.net"] == [
        ("good", f"{backup / path} holds what the database says", "") for path in (RCPTHOSTS, SMTPROUTES)]


def test_a_file_that_is_older_than_the_database(backup):
    backup.run("config", "setprop", "mxbackup", "name", "smithnet.com,1,mail.bar.org,0")
    (text, remedy), = faults(backup)
    assert text == (f"{backup / RCPTHOSTS} is older than the database: "
                    "1 line differs, the first is +mail.bar.org")
    assert remedy == "run: signal-event mxbackup-update"
    assert backup.run("signal-event", "mxbackup-update").returncode == 0
    assert faults(backup) == []


def test_a_line_too_many(backup):
    with open(backup / RCPTHOSTS, "a") as file:
        file.write(".com\n")
    (text, _), = faults(backup)
    assert "the first is -.com" in text


def test_a_missing_rcpthosts(backup):
    os.unlink(backup / RCPTHOSTS)
    (text, _), = faults(backup)
    assert text == f"{backup / RCPTHOSTS} does not exist: qmail-smtpd then takes mail for the whole world"


@pytest.mark.parametrize("path, mode, remedy", [
    (RCPTHOSTS, 0o600, "run: chmod o+r"), ("/var/qmail/control", 0o700, "run: chmod o+x")])
def test_a_file_that_the_server_cannot_read(backup, path, mode, remedy):
    os.chmod(backup / path, mode)
    assert any(said.startswith(remedy) for _, said in faults(backup))


def test_a_custom_fragment_that_hides_ours(backup):
    backup.write(FRAGMENT, "old.example\n")
    (text, remedy), = faults(backup)
    assert text == f"{backup / FRAGMENT} hides the fragment that writes the rules into {RCPTHOSTS}"
    assert "mxbackup migrate" in remedy


def test_a_perl_fragment_beside_ours(backup):
    backup.write("/etc/e-smith/templates-custom" + RCPTHOSTS + "/30perl", "{ $OUT = 'x' }\n")
    (text, _), = faults(backup)
    assert "30perl line 1: this is a Perl fragment" in text


def test_a_rule_that_is_ignored(backup):
    backup.run("config", "setprop", "mxbackup", "name", "smithnet.com,1,co.uk,1")
    (text, _), = faults(backup)
    assert text.startswith("the rule 'co.uk' is ignored: is a public suffix")


def test_a_host_without_any_mail_server(sandbox):
    sandbox.plant().write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=sme\n")
    (text, _), = faults(sandbox)
    assert text == "this host has no mail server's files that the rules could go to"


def test_a_host_with_the_perl_engine_compares_our_lines(backup):
    backup.write("/sbin/e-smith/expand-template", "#!/usr/bin/perl\n", 0o755)
    assert faults(backup) == []
    backup.run("config", "setprop", "mxbackup", "name", "smithnet.com,1,mail.bar.org,0")
    (text, _), = faults(backup)
    assert "is older than the database" in text


def test_a_refusal_by_ones_own_server_while_disabled_says_how_to_enable(backup):
    assert backup.run("mxbackup", "disable").returncode == 0
    with mailfront.start(backup / "/var/qmail/control") as server:
        status, verdicts = check(backup, "--only", "smtp", "--server", "{}:{}".format(*server.address))
    assert status == 1
    assert ("note", "MX backup is disabled: no rule is in force", "run: mxbackup enable") in verdicts[
        "{}:{}".format(*server.address)]
    fault = next(finding for finding in verdicts["smithnet.com"] if finding[0] == "fault")
    assert fault[2] == "run: mxbackup enable"


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_read(smart, make):
    """A pipe in a file's place would be read for ever."""
    for path in (RCPTHOSTS, SMTPROUTES):
        os.unlink(smart / path)
        make(smart / path)
    assert [text for text, _ in faults(smart)] == [
        f"{smart / path} is not a file" for path in (RCPTHOSTS, SMTPROUTES)]
    assert ("unchecked", f"{smart / SMTPROUTES} is no file: "
                         "which way mail goes out is not known") in loop(smart)


def test_a_name_that_the_server_delivers_itself(backup):
    backup.write("/var/qmail/control/locals", "sme.doecom.net\nSmithNet.com\n")
    assert backup.run("signal-event", "mxbackup-update").returncode == 0
    (text, remedy), = faults(backup)
    assert text == "this host delivers mail for smithnet.com itself, by /var/qmail/control/locals: " \
        "none of it goes to the primary"
    assert remedy == "take smithnet.com out of the names that it delivers, or run: mxbackup remove smithnet.com"


def test_what_a_server_keeps_beyond_its_files_has_to_be_in_force(tmp_path):
    host = paces.prepare(Sandbox(tmp_path).plant(), "postfix")
    assert host.run("mxbackup", "add", "--domain", "smithnet.com").returncode == 0
    assert faults(host) == []
    main = host / "/etc/postfix/main.cf"
    main.write_text("".join(line for line in main.read_text().splitlines(True) if "relay_domains" not in line))
    (text, remedy), = faults(host)
    assert text == "/etc/postfix/main.cf is not as the database says: is to name our lists in relay_domains"
    assert remedy == "run: signal-event mxbackup-update"


def test_without_a_smart_host_there_is_no_loop(backup):
    assert loop(backup) == [("good", "no smart host is set: mail goes out by DNS")]


def test_a_route_of_ones_own_is_told_without_a_smart_host_too(backup):
    """Of two lines of one name qmail takes the last."""
    backup.write(SMTPROUTES, "smithnet.com:\n.smithnet.com:\nsmithnet.com:mail.elsewhere.org\n")
    assert ("note", f"{SMTPROUTES} sends mail for smithnet.com to mail.elsewhere.org, not by DNS") in loop(backup)


@pytest.mark.parametrize("route, level, text", [
    ("[10.0.0.5]:2525", "good", "to the next hop [10.0.0.5]:2525"),
    ("10.0.0.5:2525", "good", "to the next hop [10.0.0.5]:2525"),
    ("[10.0.0.5]", "fault", "to [10.0.0.5], not to the next hop [10.0.0.5]:2525"),
    ("", "fault", "by DNS, not to the next hop [10.0.0.5]:2525")])
def test_a_next_hop_has_to_be_in_force(backup, route, level, text):
    backup.write("/home/e-smith/db/mxbackup", "smithnet.com=rule|NextHop|[10.0.0.5]:2525\n")
    backup.write(SMTPROUTES, f"smithnet.com:{route}\n.smithnet.com:{route}\n")
    assert (level, f"{SMTPROUTES} sends mail for smithnet.com {text}") in loop(backup)


@pytest.fixture
def smart(backup):
    """That host with the smart host smtp.provider.net."""
    backup.run("config", "set", "SMTPSmartHost", "smtp.provider.net")
    assert backup.run("signal-event", "mxbackup-update").returncode == 0
    return backup


def loop(host):
    status, verdicts = check(host, "--only", "loop", "--timeout", "2")
    return [(level, text) for level, text, _ in verdicts["smithnet.com"]]


def test_the_domains_mail_goes_out_by_dns(smart):
    assert ("good", f"{SMTPROUTES} sends mail for smithnet.com by DNS, not to the smart host") in loop(smart)


def test_without_dns_nobody_knows_whether_the_smart_host_is_an_mx(smart):
    smart.write("/etc/resolv.conf", "")
    done = smart.run("mxbackup", "check", "--only", "loop", "smithnet.com")
    assert done.returncode == 2
    assert "(DOMAIN)\n    unchecked, dns: this machine's resolv.conf names no name server\n" in done.stdout


@pytest.mark.parametrize("routes, text", [
    (":smtp.provider.net\n", "sends mail for smithnet.com to the smart host smtp.provider.net"),
    ("smithnet.com:\n:smtp.provider.net\n", "sends mail for xa025caf6b1d9.smithnet.com to the smart host"),
    ("smithnet.com:[SMTP.provider.net]:587\n.smithnet.com:\n", "mail for smithnet.com to the smart host"),
])
def test_a_route_to_the_smart_host_is_a_loop(smart, routes, text):
    smart.write(SMTPROUTES, routes)
    found = [said for level, said in loop(smart) if level == "fault"]
    assert len(found) >= 1 and any(text in said for said in found)


def test_a_route_of_ones_own_is_a_note(smart):
    smart.write(SMTPROUTES, "smithnet.com:mail.smithnet.com\n.smithnet.com:\n:smtp.provider.net\n")
    note = f"{SMTPROUTES} sends mail for smithnet.com to mail.smithnet.com, not by DNS"
    assert ("note", note) in loop(smart)


def test_a_smart_host_that_is_the_domains_mx_is_a_loop(world, smart):
    smart.run("mxbackup", "add", "smart.org")
    smart.write("/etc/resolv.conf", "nameserver 1.2.3.4\n")
    done = world.check("--only", "loop", "smart.org", inside=world.server,
                       environment={"ESMITH_ROOT": str(smart.path)})
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the smart host smtp.provider.net is an MX of smart.org (0 smtp.provider.net)" in done.stdout


@pytest.mark.parametrize("host, relay", [
    ("a.org", "one"), ("b.a.org", "two"), ("c.b.a.org", "two"), ("org", "three"), ("x.net", "three"),
    ("d.org", "")])
def test_routes_are_looked_up_as_qmail_remote_does(sandbox, monkeypatch, host, relay):
    sandbox.write(qmail.SMTPROUTES, "a.org:one\n.a.org:two\n:three\nd.org:\n")
    monkeypatch.setenv("ESMITH_ROOT", str(sandbox.path))
    assert qmail.SERVER.route(host) == (relay, qmail.SMTPROUTES)
