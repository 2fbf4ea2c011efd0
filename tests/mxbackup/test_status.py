"""`mxbackup status`, `export` and `import`, and what a dry run shows, on a host with real mail files."""

import json
import os
import resource
import shutil
import subprocess

import needs
import pytest
from sandbox import CHECKOUT, ROOT
from twoengines import PERL

CONFIGURATION = "/home/e-smith/db/configuration"
RCPTHOSTS = "/var/qmail/control/rcpthosts"
SMTPROUTES = "/var/qmail/control/smtproutes"
QANDD = "/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/20QandD"


@pytest.fixture
def live(host):
    """A host with the event's links, where smithnet.com is backed up and every mail file is written."""
    subprocess.run([CHECKOUT / "createlinks", "--root", host.path], check=True)
    host.write(CONFIGURATION, "DomainName=doecom.net\nSMTPSmartHost=off\nSystemName=sme\n")
    done = host.run("mxbackup", "add", "smithnet.com", "--domain")
    assert done.returncode == 0, done.stderr
    host.status = lambda: json.loads(host.run("mxbackup", "status", "--json").stdout)
    host.old = lambda: {
        file["path"]: file["reason"]
        for file in host.status()["files"]
        if file["here"] and not file["current"]
    }
    host.record = lambda: host.run("db", "configuration", "get", "mxbackup").stdout.strip()
    return host


def test_all_is_well(live):
    done = live.run("mxbackup", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        "MX Backup is enabled: 1 DOMAIN rule and no HOST rules\nSmart host: none\nMail files:\n"
    )
    assert "rules: the next 2 lines are from" in live.read(RCPTHOSTS)
    told = live.status()
    assert told["enabled"] and told["domains"] == 1 and told["smart_host"] == ""
    assert {file["path"] for file in told["files"] if file["here"]} == {RCPTHOSTS, SMTPROUTES}
    assert live.old() == {} and not told["ignored"] and not told["lists"]


def test_one_is_told_as_one_and_many_as_many(live):
    live.set = lambda names: live.write(
        CONFIGURATION, f"DomainName=doecom.net\nSystemName=sme\nmxbackup=service|name|{names}|status|enabled\n"
    )
    live.set("a.org,0,bad_,0")
    assert "enabled: no DOMAIN rules and 1 HOST rule\n" in live.run("mxbackup", "status").stdout
    assert "1 entry of the record is ignored" in live.run("mxbackup", "list").stderr
    live.run("signal-event", "mxbackup-update")
    assert "rules: the next 1 line is from" in live.read(RCPTHOSTS)
    live.set("a.org,1,b.org,1,c.org,0,d.org,0")
    assert "enabled: 2 DOMAIN rules and 2 HOST rules\n" in live.run("mxbackup", "status").stdout


def test_a_file_that_is_older_than_the_database_is_named(live):
    live.run("mxbackup", "add", "mail.bar.org", "--no-update")
    assert list(live.old()) == [RCPTHOSTS]
    done = live.run("mxbackup", "status")
    assert done.returncode == 1 and "older than the database" in done.stdout
    live.run("signal-event", "mxbackup-update")
    assert live.old() == {}


def test_a_file_changed_by_hand_or_missing_is_named(live):
    live.write(RCPTHOSTS, live.read(RCPTHOSTS) + "extra.org\n")
    assert "changed by hand" in live.old()[RCPTHOSTS]
    (live / RCPTHOSTS).unlink()
    assert live.old()[RCPTHOSTS] == "is not there yet"
    os.mkfifo(live / RCPTHOSTS)
    assert "no regular file" in live.old()[RCPTHOSTS]


def test_a_smart_host_is_told_and_makes_routes(live):
    live.run("db", "configuration", "set", "SMTPSmartHost", "smtp.provider.net")
    assert list(live.old()) == [SMTPROUTES]
    assert (
        "Smart host: smtp.provider.net; mail for the rules' names does not go to it"
        in live.run("mxbackup", "status").stdout
    )


def test_ignored_entries_and_their_reasons(live):
    live.write(
        CONFIGURATION,
        "DomainName=doecom.net\nSystemName=sme\n"
        "mxbackup=service|name|co.uk,1,bad\x1b[2J_one,0,smithnet.com,1|status|enabled\n",
    )
    done = live.run("mxbackup", "status")
    assert done.returncode == 1 and "  co.uk,1: is a public suffix" in done.stdout
    assert "bad\\x1b[2J_one,0: " in done.stdout and "\x1b" not in done.stdout
    assert {entry["name"] for entry in live.status()["ignored"]} == {"co.uk", "bad\x1b[2J_one"}


def test_a_fragment_that_hides_ours_is_told(live):
    live.write(QANDD, "{ $OUT = 'a.org' }\n")
    assert "Perl" in live.old()[RCPTHOSTS]
    assert "left in place" in live.status()["lists"][0]
    live.write(QANDD, "")
    live.run("expand-template", RCPTHOSTS)
    assert "hides ours" in live.old()[RCPTHOSTS]


def test_a_failed_event_names_the_files_that_are_old(live):
    live.write(
        "/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/90broken", "{# jinja2 #}{{ 1/0 }}\n"
    )
    before = live.read(RCPTHOSTS)
    done = live.run("mxbackup", "add", "mail.bar.org")
    assert done.returncode == 1 and "the record is saved" in done.stderr
    assert f"mxbackup: {RCPTHOSTS} cannot be made: " in done.stderr and "90broken line 1" in done.stderr
    assert SMTPROUTES not in done.stderr
    assert live.record() == "service|name|smithnet.com,1,mail.bar.org,0|status|enabled"
    assert live.read(RCPTHOSTS) == before
    told = json.loads(live.run("mxbackup", "add", "b.org", "--json").stdout)
    assert told["updated"] is False and told["old_files"] == [RCPTHOSTS]


def test_a_host_without_a_mail_server(sandbox):
    done = sandbox.run("mxbackup", "status")
    assert done.returncode == 1 and "home/e-smith/db" in done.stderr and "Traceback" not in done.stderr
    sandbox.write(CONFIGURATION, "")
    done = sandbox.run("mxbackup", "status")
    assert done.returncode == 0 and "no mail server here" in done.stdout and "disabled" in done.stdout


def test_disabled_is_told(live):
    live.run("mxbackup", "disable")
    done = live.run("mxbackup", "status")
    assert done.returncode == 0 and "MX Backup is disabled" in done.stdout
    assert "smithnet.com" not in live.read(RCPTHOSTS)


def test_many_rules_are_current_beside_the_second_list(live):
    names = "".join(f"n{number}.example.org\n" for number in range(120))
    assert live.run("mxbackup", "add", "-", input=names).returncode == 0
    assert live.old() == {}
    live.run("mxbackup", "remove", "-", "--no-update", "--yes", input=names)
    assert RCPTHOSTS in live.old()
    live.run("signal-event", "mxbackup-update")
    assert live.old() == {}


# Dry runs.


def test_a_dry_run_shows_the_diff_of_each_file(live):
    tree = {
        path: path.read_bytes()
        for path in live.path.rglob("*")
        if path.is_file() and "cache" not in path.parts
    }
    done = live.run("mxbackup", "add", "mail.bar.org", "--dry-run")
    assert done.returncode == 0
    for line in ("-mxbackup=service|name|smithnet.com,1|status|enabled", f"+++ {RCPTHOSTS}", "+mail.bar.org"):
        assert line + "\n" in done.stdout
    assert "-smithnet.com\n" in live.run("mxbackup", "disable", "-n").stdout
    told = json.loads(live.run("mxbackup", "remove", "smithnet.com", "-n", "--json").stdout)
    assert told["dry_run"] and "-.smithnet.com\n" in told["files"][RCPTHOSTS] + "\n"
    assert told["record"]["after"] == "service|name||status|enabled"
    assert tree == {
        path: path.read_bytes()
        for path in live.path.rglob("*")
        if path.is_file() and "cache" not in path.parts
    }


def test_a_dry_run_tells_of_qmails_second_list(live):
    names = "".join(f"n{number}.example.org\n" for number in range(60))
    done = live.run("mxbackup", "add", "-", "--dry-run", input=names)
    assert "/var/qmail/control/morercpthosts is to get 11 names beyond the first 50, compiled" in done.stdout


def test_a_dry_run_tells_which_file_cannot_be_made(live):
    live.write(
        "/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/90broken", "{# jinja2 #}{{ 1/0 }}\n"
    )
    assert f"{RCPTHOSTS}: cannot be made: " in live.run("mxbackup", "add", "mail.bar.org", "--dry-run").stdout


# Export and import.


def test_export_and_import_are_a_round_trip(live, tmp_path):
    live.run("mxbackup", "add", "mail.bar.org", "--no-update")
    record = live.record()
    for form in "--csv", "--json":
        place = tmp_path / ("rules" + form)
        assert live.run("mxbackup", "export", form, place).returncode == 0
        assert place.read_text() == live.run("mxbackup", "export", form).stdout
        live.run("mxbackup", "remove", "smithnet.com", "mail.bar.org", "--no-update")
        assert live.run("mxbackup", "import", place, "--no-update").returncode == 0
        assert live.record() == record
    assert live.run("mxbackup", "list", "--json").stdout.count("kind") == 2
    assert live.run("mxbackup", "import", input=live.run("mxbackup", "list", "--json").stdout).returncode == 0


def test_import_adds_and_replace_replaces_in_one_write(live):
    assert live.run("mxbackup", "import", input="a.org,DOMAIN\nsmithnet.com\n").returncode == 0
    assert live.record() == "service|name|smithnet.com,1,a.org,1|status|enabled"
    done = live.run("mxbackup", "import", "--replace", input="smithnet.com,HOST\nb.org\n")
    assert (
        done.returncode == 0
        and "a.org: removed" in done.stdout
        and "smithnet.com: is a HOST now" in done.stdout
    )
    assert live.record() == "service|name|smithnet.com,0,b.org,0|status|enabled"
    assert "a.org" not in live.read(RCPTHOSTS) and "b.org" in live.read(RCPTHOSTS)


def test_an_empty_list_replaces_nothing(live):
    for text in "", "name,kind\n", "# nothing\n", '{"rules": []}':
        done = live.run("mxbackup", "import", "--replace", input=text)
        assert done.returncode == 2 and "nothing was changed" in done.stderr
    assert live.record() == "service|name|smithnet.com,1|status|enabled"


@pytest.mark.parametrize(
    "text",
    [
        '{"rules": 3}',
        '{"rules": [{"name": "a.org"}]}',
        '{"rules": [{"name": "a.org", "kind": "BOTH"}]}',
        "{",
        '{"rules": [{"name": 7, "kind": "HOST"}]}',
        '{"rules": [{"name": "co.uk", "kind": "DOMAIN"}]}',
        '{"rules": ["a.org"]}',
        '{"rules": [{"name": "a.org", "kind": "HOST"}], "rules": [{"name": "b.org", "kind": "HOST"}]}',
        '{"rules": [{"name": "a.org", "name": "b.org", "kind": "HOST"}]}',
        '{"x": ' * 3000,
        "a.org\nbad_one\n",
    ],
)
def test_an_import_that_is_refused_changes_nothing(live, text):
    for options in (), ("--replace",):
        done = live.run("mxbackup", "import", *options, input=text)
        assert (
            done.returncode == 2 and "nothing was changed" in done.stderr and "Traceback" not in done.stderr
        )
    assert live.record() == "service|name|smithnet.com,1|status|enabled"


def test_an_export_replaces_a_file_whole_or_not_at_all(live, tmp_path):
    place = tmp_path / "rules"
    place.write_text("precious")
    limit = resource.RLIMIT_FSIZE, (10, 10)
    failed = subprocess.run([ROOT / "usr/sbin/mxbackup", "export", place], env=live.environment,
                            stderr=subprocess.PIPE, preexec_fn=lambda: resource.setrlimit(*limit))
    assert failed.returncode == 1 and b"File too large" in failed.stderr
    assert place.read_text() == "precious" and not list(tmp_path.glob(".rules*"))
    assert live.run("mxbackup", "export", place).returncode == 0
    assert place.read_text() == "name,kind\nsmithnet.com,DOMAIN\n"
    assert live.run("mxbackup", "export", "/dev/full").returncode == 1
    assert live.run("mxbackup", "export", tmp_path).returncode == 1


# Under the Perl engine, whose other fragments only Perl can run.


@pytest.fixture
def perl_host(host):
    """An SME server: the stand-in Perl engine, and a core fragment in Perl on each side of ours."""
    needs.require("text-template")
    subprocess.run([CHECKOUT / "createlinks", "--root", host.path], check=True)
    for name in "expand-template", "signal-event":
        host.write(f"/sbin/e-smith/{name}", f'#!/bin/sh\nexec {PERL / name} "$@"\n', 0o755)
    shutil.rmtree(host / "/etc/e-smith/templates.metadata", ignore_errors=True)
    (host / "/etc/e-smith/templates" / RCPTHOSTS[1:] / "10own-domains").unlink()
    (host / "/etc/e-smith/templates" / SMTPROUTES[1:] / "10smart-host").unlink()
    host.write(f"/etc/e-smith/templates{RCPTHOSTS}/10core", "{ $OUT = 'doecom.net' }\n")
    host.write(f"/etc/e-smith/templates{RCPTHOSTS}/90core", "{ $OUT = 'z.example' }\n")
    return host


def test_under_the_perl_engine_status_and_dry_runs_tell_the_same(perl_host):
    assert perl_host.run("mxbackup", "add", "smithnet.com", "--domain").returncode == 0
    lines = [line for line in perl_host.read(RCPTHOSTS).splitlines() if not line.startswith("#")]
    assert lines == ["doecom.net", "smithnet.com", ".smithnet.com", "z.example"]
    assert perl_host.run("mxbackup", "status").returncode == 0
    for arguments in ("add", "mail.bar.org"), ("remove", "smithnet.com"), ("disable",), ("enable",):
        shown = perl_host.run("mxbackup", *arguments, "--dry-run")
        assert shown.returncode == 0, shown.stderr
        before = perl_host.read(RCPTHOSTS).splitlines()
        assert perl_host.run("mxbackup", *arguments, "--no-update").returncode == 0
        done = perl_host.run("mxbackup", "status")
        assert done.returncode == 1 and f"{RCPTHOSTS}  " in done.stdout and "older" in done.stdout
        assert perl_host.run("signal-event", "mxbackup-update").returncode == 0
        assert perl_host.run("mxbackup", "status").returncode == 0
        after = perl_host.read(RCPTHOSTS).splitlines()
        marked = set(shown.stdout.splitlines())
        assert {"+" + line for line in set(after) - set(before)} <= marked
        assert {"-" + line for line in set(before) - set(after)} <= marked


def test_under_the_perl_engine_a_failed_event_is_told(perl_host):
    perl_host.run("mxbackup", "add", "smithnet.com")
    perl_host.write(f"/etc/e-smith/templates{RCPTHOSTS}/90core", "{ die 'broken' }\n")
    done = perl_host.run("mxbackup", "remove", "smithnet.com")
    assert done.returncode == 1 and f"mxbackup: {RCPTHOSTS} is older than the database" in done.stderr


def test_under_the_perl_engine_the_event_takes_lists_of_older_methods_over(perl_host):
    perl_host.write(QANDD, "# Quick and Dirty\nsmithnet.com\n.smithnet.com\n")
    assert perl_host.run("mxbackup", "add", "mail.bar.org").returncode == 0
    assert not (perl_host / QANDD).exists()
    assert perl_host.run("mxbackup", "list", "--names").stdout == "smithnet.com\nmail.bar.org\n"
    lines = [line for line in perl_host.read(RCPTHOSTS).splitlines() if not line.startswith("#")]
    assert lines == ["doecom.net", "smithnet.com", ".smithnet.com", "mail.bar.org", "z.example"]


def test_under_the_perl_engine_a_perl_fragment_that_hides_ours_fails_the_event(perl_host):
    perl_host.write(QANDD, "{ $OUT = 'a.org' }\n")
    done = perl_host.run("mxbackup", "add", "mail.bar.org")
    assert done.returncode == 1 and "the record is saved" in done.stderr
    assert f"{RCPTHOSTS} is older than the database" in done.stderr
    assert "a.org" in perl_host.read(RCPTHOSTS) and (perl_host / QANDD).exists()
