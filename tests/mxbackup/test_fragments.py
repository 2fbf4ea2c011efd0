"""Our fragments: the same bytes under both engines, values as data, core fragments, links, the event."""

import json
import os
import random
import re
import shutil
import subprocess
import sys

import perlhost
import pytest
from sandbox import CHECKOUT, DATA, ROOT, Syslog
from twoengines import PERL, perl, shape_faults

sys.path.insert(0, str(ROOT / "usr/lib/mxbackup"))

from esmith import templates  # noqa: E402

CONFIGURATION = "/home/e-smith/db/configuration"
CUSTOM = "/etc/e-smith/templates-custom"
RCPTHOSTS = "/var/qmail/control/rcpthosts"
SMTPROUTES = "/var/qmail/control/smtproutes"
GOODRCPTTO = "/var/service/qpsmtpd/config/goodrcptto"
SMTPD = "/var/spool/smtpd/etc/smtpd_check_rules"
OURS = {
    RCPTHOSTS: "20QandD", SMTPROUTES: "20MXBackup", GOODRCPTTO: "20MXBackup", SMTPD: "61MXBackupDomains",
}
STATES = json.loads((DATA / "conformance/rules.json").read_text())


@pytest.fixture
def every(sandbox):
    """A throwaway `/` with our files and a place for each output."""
    sandbox.plant()
    for path in OURS:
        (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
    return sandbox


@pytest.fixture
def sme(every):
    """The same, with the Perl engine."""
    return perlhost.make(every)


def entries(sandbox, path):
    return [line for line in sandbox.read(path).splitlines() if line and not line.startswith("#")]


def test_each_fragment_has_the_shape_of_both_engines():
    for path, name in OURS.items():
        place = f"{path[1:]}/{name}"
        assert shape_faults(place, (ROOT / "etc/e-smith/templates" / place).read_bytes()) == []


@pytest.mark.needs("text-template")
def test_both_engines_give_the_same_bytes_and_what_the_perl_contrib_wrote(sme, monkeypatch):
    monkeypatch.setenv("ESMITH_ROOT", str(sme.path))
    for state in STATES:
        sme.write(CONFIGURATION, state["configuration"].encode("latin-1"))
        script = "Engine::expand($_) or die $_ for @ARGV"
        ran = subprocess.run(["perl", f"-I{PERL}", "-MEngine", "-e", script, *OURS],
                             env=sme.environment, capture_output=True)
        assert (ran.returncode, ran.stderr) == (0, b"")
        for path in OURS:
            assert (sme / path).read_bytes() == templates.render(path)
            if path in state["entries"]:
                assert entries(sme, path) == state["entries"][path]


def break_helper(sandbox):
    """Leave the helper broken and the library good."""
    (sandbox / "/usr/lib/mxbackup").unlink()
    library = sandbox / "/usr/lib/mxbackup"
    library.mkdir()
    for name in ("esmith", "mxbackup"):
        (library / name).symlink_to(ROOT / "usr/lib/mxbackup" / name)
    sandbox.write("/usr/lib/mxbackup/fragment", "#!/bin/sh\nexit 1\n", 0o755)


def test_under_the_perl_engine_a_helper_that_fails_fails_the_event_after_a_change(sme):
    configure(sme, "smithnet.com,1,b.org,0")
    assert perl(sme, "signal-event", "mxbackup-update").returncode == 0
    before = sme.read(RCPTHOSTS)
    assert entries(sme, RCPTHOSTS) == ["smithnet.com", ".smithnet.com", "b.org"]
    configure(sme, "smithnet.com,1")
    break_helper(sme)
    log = Syslog(sme / "/dev/log")
    assert perl(sme, "signal-event", "mxbackup-update").returncode == 1
    log.close()
    old = [message for message in log.messages if b"as old as they were" in message]
    assert len(old) == 1 and RCPTHOSTS.encode() in old[0] and SMTPD.encode() in old[0]
    # Nothing is kept that would bring b.org back.
    ran = perl(sme, "expand-template", RCPTHOSTS)
    assert "20QandD" in ran.stderr and "helper failed" in ran.stderr and sme.read(RCPTHOSTS) == before


def test_with_our_library_gone_the_hosts_own_new_domain_gets_into_the_file(sme):
    core = f"/etc/e-smith/templates{RCPTHOSTS}/10core"
    sme.write(core, "doecom.net\n")
    (sme / "/etc/e-smith/events/domain-create/templates2expand/var/qmail/control").mkdir(parents=True)
    sme.write(f"/etc/e-smith/events/domain-create/templates2expand{RCPTHOSTS}", "")
    configure(sme, "smithnet.com,1")
    assert perl(sme, "signal-event", "mxbackup-update").returncode == 0
    (sme / "/usr/lib/mxbackup").unlink()
    (sme / "/usr/lib/mxbackup").mkdir()
    sme.write("/usr/lib/mxbackup/fragment", (ROOT / "usr/lib/mxbackup/fragment").read_text(), 0o755)
    sme.write(core, "doecom.net\nnew.doecom.net\n")
    ran = perl(sme, "signal-event", "domain-create")
    assert entries(sme, RCPTHOSTS) == ["doecom.net", "new.doecom.net", "smithnet.com", ".smithnet.com"]
    assert "WARNING in" in ran.stderr and "20QandD: the helper failed; these are the lines" in ran.stderr


@pytest.mark.parametrize("change", [("disable", "--no-update"), ("remove", "smithnet.com", "--no-update")])
def test_no_last_lines_are_left_once_a_rule_is_off(sme, change):
    configure(sme, "smithnet.com,1")
    assert perl(sme, "signal-event", "mxbackup-update").returncode == 0
    kept = sme / "/var/lib/mxbackup/lines" / RCPTHOSTS[1:] / "20QandD"
    assert ".smithnet.com" in kept.read_text()
    assert sme.run("mxbackup", *change, "--dry-run").returncode == 0 and kept.exists()
    assert sme.run("mxbackup", *change).returncode == 0
    assert not kept.exists()


def test_last_lines_that_are_the_rules_outlive_an_event_without_jinja2(sme):
    configure(sme, "smithnet.com,1")
    assert perl(sme, "signal-event", "mxbackup-update").returncode == 0
    break_helper(sme)
    assert perl(sme, "signal-event", "mxbackup-update").returncode == 0
    sme.write(f"/etc/e-smith/templates{RCPTHOSTS}/10core", "doecom.net\n")
    perl(sme, "expand-template", RCPTHOSTS)
    assert entries(sme, RCPTHOSTS) == ["doecom.net", "smithnet.com", ".smithnet.com"]


def test_the_event_under_the_perl_engine_writes_what_this_host_has(sme):
    configure(sme, "smithnet.com,1", "SMTPSmartHost=smtp.provider.net\n")
    sme.write(f"/etc/e-smith/templates{RCPTHOSTS}/10core", "doecom.net\n")
    log = Syslog(sme / "/dev/log")
    ran = perl(sme, "signal-event", "mxbackup-update")
    log.close()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert entries(sme, RCPTHOSTS) == ["doecom.net", "smithnet.com", ".smithnet.com"]
    assert entries(sme, SMTPROUTES) == ["smithnet.com:", ".smithnet.com:"]
    assert entries(sme, SMTPD) == ["allow:ALL:ALL:*.smithnet.com *@smithnet.com"]
    assert not (sme / GOODRCPTTO).exists()
    said = [message.rpartition(b": ")[2].decode() for message in log.messages]
    assert [line for line in said if line.startswith("expanding ")] == [
        f"expanding {path}" for path in (RCPTHOSTS, SMTPROUTES, SMTPD)]


def test_under_the_perl_engine_a_hand_written_list_of_qpsmtpds_is_not_made_ours_alone(sme):
    configure(sme, "smithnet.com,1")
    own = "/var/service/qpsmtpd/config/rcpthosts"
    sme.write(own, "doecom.net\n")
    assert perl(sme, "signal-event", "mxbackup-update").returncode == 0
    assert sme.read(own) == "doecom.net\n"
    # Where the server's own template makes it, as on an SME 11, ours is one fragment of it.
    sme.write(f"/etc/e-smith/templates{own}/10domains", "doecom.net\n")
    assert perl(sme, "signal-event", "mxbackup-update").returncode == 0
    assert entries(sme, own) == ["doecom.net", "smithnet.com", ".smithnet.com"]


def configure(sandbox, name, more=""):
    sandbox.write(CONFIGURATION, f"{more}mxbackup=service|name|{name}|status|enabled\n")


# Hostile values.

PIECES = [
    "smithnet.com", "a.org", "co.uk", "com", "kawasaki.jp", ",", ",", ",0", ",1", ",1,", ",0,", "\\n",
    "\\", "\\\\", "{{ 7*7 }}", "{", "}", "{% raw %}", "{# #}", "=", "'", '"', " ", "\t", ".", "..", "-",
    "_", "*", "@", ":", ";", "#", "a" * 64, "a" * 63, "b." * 130, "1.2.3.4", "[192.0.2.1]", "\udcff",
    "\udce9", "é", "ß", "\u202e", "\0", "\r", "\x0b", "\x1b[2J", "|", "$(id)", "`id`", "${OUT}",
    "\u3002", "xn--", "xn--a", "xn--55qx5d.cn", "\u2028", "\x85", "%", "%s", "NAME",
    "allow:ALL:ALL:ALL", "+", "X.ORG", "0", "1", "y.example",
]
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LINES = {
    RCPTHOSTS: re.compile(r"\.?(?P<name>.*)"),
    SMTPROUTES: re.compile(r"\.?(?P<name>.*):"),
    GOODRCPTTO: re.compile(r"@(?P<name>.*)"),
    SMTPD: re.compile(r"allow:ALL:ALL:\*(\.(?P<domain>\S*) \*)?@(?P<name>.*)"),
}


def is_host_name(name):
    labels = name.split(".")
    return (len(labels) > 1 and len(name) <= 253 and all(LABEL.fullmatch(label) for label in labels)
            and not labels[-1].isdigit())


def hostile(dice):
    return "".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 12)))


def test_two_thousand_hostile_values_give_no_line_that_is_not_a_rules(every, monkeypatch):
    monkeypatch.setenv("ESMITH_ROOT", str(every.path))
    dice = random.Random(20260422)
    wide = {"co.uk", "kawasaki.jp", "xn--55qx5d.cn"}
    lines = 0
    for number in range(2000):
        value = hostile(dice)
        # A good rule beside it, apart by commas: it must still work.
        value = f"good{number}.example,1,{value}" if number % 2 else f"{value},0,good{number}.example,1"
        aside = number % 2 == 0 and value.count(",", 0, value.index(",0,good")) % 2
        configuration = f"SMTPSmartHost=smtp.example\nmxbackup=service|name|{value}|status|enabled\n"
        every.write(CONFIGURATION, configuration.encode("utf-8", "surrogateescape"))
        # A | in the value, or a backslash before the next one, shifts the properties, as in the Perl engine.
        on = "|" not in value and not value.endswith("\\")
        for path, form in LINES.items():
            output = templates.render(path).decode("utf-8", "surrogateescape")
            found = [line for line in output.split("\n") if line and not line.startswith("#")]
            found = [line for line in found if line != ":smtp.example"]
            for line in found:
                match = form.fullmatch(line)
                assert match and is_host_name(match.group("name")), (value, line)
                if path == RCPTHOSTS and line.startswith("."):
                    assert match.group("name") not in wide, (value, line)
                if match.groupdict().get("domain"):
                    assert match.group("domain") == match.group("name")
                lines += 1
            if on and not aside:
                good = {RCPTHOSTS: f".good{number}.example", SMTPROUTES: f".good{number}.example:",
                        GOODRCPTTO: f"@good{number}.example",
                        SMTPD: f"allow:ALL:ALL:*.good{number}.example *@good{number}.example"}[path]
                assert good in found, (value, found)
    assert lines > 5000


def test_a_value_that_holds_a_newline_never_becomes_a_second_line(every):
    configure(every, "good.example,1,a.org\\nevil.example,1,b.org\\n,0")
    for path in OURS:
        assert every.run("expand-template", path).returncode == 0
        assert "evil" not in every.read(path)
    assert entries(every, RCPTHOSTS) == ["good.example", ".good.example"]


@pytest.mark.parametrize("value", [
    "smtp.provider.net\\n:evil.example", "a b", "a|b|c", "{{ 7*7 }}", "a:0", "a:99999", "a:", ":25", "a:b",
    "#x", "a/b", "[1.2.3.4", "\x1b[2J", "a:25:c", "é.example",
])
def test_a_bad_smart_host_is_refused_with_the_way_out_and_the_routes_stay(every, value):
    configure(every, "a.org,0", "SMTPSmartHost=smtp.provider.net\n")
    assert every.run("expand-template", SMTPROUTES).returncode == 0
    before = every.read(SMTPROUTES)
    configure(every, "b.org,0", f"SMTPSmartHost={value}\n")
    ran = every.run("expand-template", SMTPROUTES)
    assert ran.returncode == 1 and "10smart-host" in ran.stderr and "config set SMTPSmartHost" in ran.stderr
    assert ran.stderr.rstrip("\n").isprintable()
    assert every.read(SMTPROUTES) == before


@pytest.mark.parametrize("value", [
    "smtp.provider.net", "smtp.provider.net:587", "[192.0.2.1]", "192.0.2.1:26", "relay"])
def test_the_smart_host_is_the_default_route(every, value):
    every.write(CONFIGURATION, f"SMTPSmartHost={value}\n")
    assert every.run("expand-template", SMTPROUTES).returncode == 0
    assert entries(every, SMTPROUTES) == [f":{value}"]


def test_the_hosts_own_domains(every):
    every.write(CONFIGURATION, "DomainName=doecom.net\nSystemName=SME\n")
    every.write("/home/e-smith/db/domains", "b.example=domain|Content|Primary\na.example=domain\n"
                "x.example=other\nsme.doecom.net=domain\nodd name=domain\n{{ 7*7 }}=domain\n")
    assert every.run("expand-template", RCPTHOSTS).returncode == 0
    assert entries(every, RCPTHOSTS) == ["sme.doecom.net", "a.example", "b.example"]


def test_what_qmails_own_files_name_is_the_hosts_whatever_the_database_knows(every):
    every.write("/var/qmail/control/me", "sme.doecom.net\n")
    every.write("/var/qmail/control/locals", "# ours\nsme.doecom.net\nDoecom.net  \n\n")
    configure(every, "smithnet.com,0")
    assert every.run("expand-template", RCPTHOSTS).returncode == 0
    assert entries(every, RCPTHOSTS) == ["sme.doecom.net", "doecom.net", "smithnet.com"]


def test_a_host_that_is_told_its_name_later_refuses_nothing_that_it_accepted(every):
    every.write("/var/qmail/control/locals", "mail.doecom.net\ndoecom.net\n")
    every.write(RCPTHOSTS, "mail.doecom.net\ndoecom.net\nfriend.org\n")
    every.write(CONFIGURATION, "")
    assert every.run("signal-event", "mxbackup-update").returncode == 0
    every.write(CONFIGURATION, "DomainName=doecom.net\nSystemName=sme\n")
    assert every.run("signal-event", "mxbackup-update").returncode == 0
    assert set(entries(every, RCPTHOSTS)) == {"sme.doecom.net", "mail.doecom.net", "doecom.net", "friend.org"}


def test_no_name_of_the_hosts_own_opens_the_relay(every):
    every.write("/var/qmail/control/locals", ".net\n")
    every.write(CONFIGURATION, "DomainName=doecom.net\nSystemName=sme\n")
    every.write("/home/e-smith/db/domains", ".=domain\n.co.uk=domain\n.com=domain\na.example=domain\n")
    assert every.run("expand-template", RCPTHOSTS).returncode == 0
    assert entries(every, RCPTHOSTS) == ["sme.doecom.net", "a.example"]


@pytest.mark.parametrize("system, domain", [
    ("sme", "doecom.net|x"), ("s m e", "doecom.net"), ("sme\\n.com", "doecom.net"), (".", "com"),
])
def test_a_bad_name_of_the_host_is_refused_with_the_way_out_and_its_mail_is_not(every, system, domain):
    configure(every, "a.org,0")
    assert every.run("expand-template", RCPTHOSTS).returncode == 0
    before = every.read(RCPTHOSTS)
    every.write(CONFIGURATION, f"DomainName={domain}\nSystemName={system}\n")
    ran = every.run("expand-template", RCPTHOSTS)
    assert ran.returncode == 1 and "10own-domains" in ran.stderr and "config set" in ran.stderr
    assert every.read(RCPTHOSTS) == before


@pytest.mark.parametrize("path, line", [
    (RCPTHOSTS, "hand.example"),
    (SMTPROUTES, "hand.example:mx.hand.example"),
    (GOODRCPTTO, "joe@hand.example"),
    ("/var/service/qpsmtpd/config/rcpthosts", "hand.example"),
    ("/var/service/qpsmtpd/config/smtproutes", "hand.example:mx.hand.example"),
    (SMTPD, "noto:ALL:ALL:ALL"),
])
def test_what_was_written_by_hand_before_stays(every, path, line):
    every.write(path, f"# {{by hand}}\n{line}\n")
    configure(every, "smithnet.com,1", "SMTPSmartHost=smtp.provider.net\n")
    for _ in range(2):
        ran = every.run("signal-event", "mxbackup-update")
        assert (ran.returncode, ran.stderr) == (0, "")
        # smtpd takes the first rule that matches, so ours come before a refusal of the rest.
        assert entries(every, path)[-1] == line and "# {by hand}" in every.read(path)
        assert any("smithnet.com" in entry for entry in entries(every, path))
    every.run("signal-event", "mxbackup-update", MXBACKUP_WITHHOLD="1")
    assert line in entries(every, path) and "smithnet" not in every.read(path)


def test_entries_of_ours_are_never_taken_for_lines_written_by_hand(every):
    every.write(RCPTHOSTS, "hand.example\n")
    configure(every, "a.org,1,b.org,0,c.org,0")
    every.run("signal-event", "mxbackup-update")
    # As on a host that was restored without the engine's memory.
    shutil.rmtree(every / "/var/lib/e-smith-python")
    shutil.rmtree(every / "/etc/e-smith/templates-custom")
    configure(every, "b.org,0")
    assert every.run("signal-event", "mxbackup-update").returncode == 0
    assert entries(every, RCPTHOSTS) == ["b.org", "hand.example"]
    custom = every.read("/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/80adopted")
    assert custom == "hand.example\n"
    configure(every, "")
    every.run("signal-event", "mxbackup-update")
    assert entries(every, RCPTHOSTS) == ["hand.example"]


def test_createlinks_makes_links_that_lead_somewhere_and_does_so_again(tmp_path):
    for _ in range(2):
        subprocess.run([sys.executable, CHECKOUT / "createlinks", "--root", tmp_path], check=True)
        links = {str(path.relative_to(tmp_path)): os.readlink(path)
                 for path in tmp_path.rglob("*") if path.is_symlink()}
        # A wrong one is put right.
        wrong = tmp_path / "etc/e-smith/events/mxbackup-update/S05mxbackup-expand"
        assert links[str(wrong.relative_to(tmp_path))] == "../actions/mxbackup-expand"
        wrong.unlink()
        wrong.symlink_to("elsewhere")
    assert links["etc/e-smith/events/mxbackup-update/services2adjust/qpsmtpd"] == "sighup"
    assert not any(target.startswith("/") for target in links.values())
    for link, target in links.items():
        # A checkout has them: its commands run as they are.
        assert os.readlink(ROOT / link) == target
        if "/" in target:
            real = ROOT / os.path.normpath(os.path.join(os.path.dirname(link), target))
            # The newer manager's own.
            assert real.exists() or target.endswith("2-conf"), link


def test_the_event_logs_each_file_and_says_which_are_old(every):
    configure(every, "smithnet.com,1")
    every.write(f"{CUSTOM}{RCPTHOSTS}/99perl", "{ $OUT = 'x' }\n")
    log = Syslog(every / "/dev/log")
    assert every.run("signal-event", "mxbackup-update").returncode == 1
    log.close()
    said = [message.decode() for message in log.messages]
    assert [line.rpartition(": ")[2] for line in said if "expanding /" in line] == [
        f"expanding {path}" for path in (RCPTHOSTS, SMTPROUTES, SMTPD)]
    assert sum("as old as they were: " + RCPTHOSTS in line for line in said) == 1
    assert entries(every, SMTPD) == ["allow:ALL:ALL:*.smithnet.com *@smithnet.com"]
    assert not (every / RCPTHOSTS).exists()


@pytest.mark.parametrize("path, name", [(SMTPROUTES, "/20MXBackup"), (SMTPD, "")])
def test_an_override_that_hides_our_fragment_fails_the_event_unless_it_gives_the_entries(every, path, name):
    configure(every, "smithnet.com,1", "SMTPSmartHost=smtp.provider.net\n")
    hiding = every.write(CUSTOM + path + name, "")
    log = Syslog(every / "/dev/log")
    assert every.run("signal-event", "mxbackup-update").returncode == 1
    log.close()
    assert any(f"ERROR: {path} lacks ".encode() in message for message in log.messages)
    assert entries(every, RCPTHOSTS) == ["smithnet.com", ".smithnet.com"]
    hiding.write_text("smithnet.com:\n.smithnet.com:\nallow:ALL:ALL:*.smithnet.com *@smithnet.com\n")
    assert every.run("signal-event", "mxbackup-update").returncode == 0


def test_the_event_logs_what_is_ignored_and_why(every):
    configure(every, "smithnet.com,1,co.uk,1," + ",".join(f"_{number}.org,0" for number in range(10)))
    log = Syslog(every / "/dev/log")
    assert every.run("signal-event", "mxbackup-update").returncode == 0
    log.close()
    said = [message.rpartition(b"WARNING: ")[2].decode() for message in log.messages if b"ignored" in message]
    assert len(said) == 6 and said[-1].startswith("6 more") and "_0.org is ignored: a host name" in said[0]
