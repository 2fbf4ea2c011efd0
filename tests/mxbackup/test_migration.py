"""Lists of the how-to's methods one and two, and the Perl contrib's record, taken over without losing a
domain."""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from sandbox import CHECKOUT, ROOT

CONFIGURATION = "/home/e-smith/db/configuration"
CUSTOM = "/etc/e-smith/templates-custom"
QANDD = CUSTOM + "/var/qmail/control/rcpthosts/20QandD"
CHECK_RULES = CUSTOM + "/var/spool/smtpd/etc/smtpd_check_rules/61MXBackupDomains"
LIST = "/etc/MXBackupDomains"
KEPT = "/var/lib/mxbackup/replaced"
RCPTHOSTS = "/var/qmail/control/rcpthosts"

# As the how-to shows them.
METHOD_TWO = """\
# 20QandD (Quick and Dirty...)
# Syntax : You need two lines by approved domains
# domain.ntlg
# .domain.ntlg
#
# Domains allowed for MX-Backup
smithnet.com
.smithnet.com
"""
METHOD_ONE = "# list of domains\nallow:ALL:ALL:*.smithnet.com *@smithnet.com\n"


@pytest.fixture
def old(host):
    """A host with the event's links, to plant lists of older methods on."""
    subprocess.run([CHECKOUT / "createlinks", "--root", host.path], check=True)
    host.record = lambda: host.run("db", "configuration", "get", "mxbackup").stdout.strip()
    host.there = lambda path: os.path.lexists(host / path)
    host.set = lambda value: host.write(
        CONFIGURATION, "DomainName=doecom.net\nSystemName=sme\nmxbackup=" + value + "\n"
    )
    host.accepted = lambda: set(entries(host)) - {"sme.doecom.net"}
    return host


def entries(host, path=RCPTHOSTS):
    return [line for line in host.read(path).splitlines() if not line.startswith("#")]


def action(host, **environment):
    return subprocess.run(
        [host / "etc/e-smith/events/actions/mxbackup-migrate"],
        capture_output=True,
        text=True,
        env={**host.environment, **environment},
    )


def test_method_two_is_taken_over_and_its_copy_kept(old):
    old.write(QANDD, METHOD_TWO + "mail.bar.org\n")
    done = old.run("mxbackup", "migrate")
    assert (done.returncode, done.stderr) == (0, "")
    assert QANDD in done.stdout and KEPT + QANDD in done.stdout
    assert old.record() == "service|name|smithnet.com,1,mail.bar.org,0|status|enabled"
    assert not old.there(QANDD) and old.read(KEPT + QANDD) == METHOD_TWO + "mail.bar.org\n"
    assert old.accepted() == {"smithnet.com", ".smithnet.com", "mail.bar.org"}
    assert old.run("mxbackup", "migrate").stdout == "There is nothing to migrate.\n"


def test_method_one_is_taken_over(old):
    (old / "/var/spool/smtpd/etc").mkdir(parents=True)
    old.write(CHECK_RULES, METHOD_ONE + "allow:ALL:ALL:*@mail.bar.org\n")
    old.write(LIST, "# each a domain\n  Smithnet.COM\nfoo.org # a friend\r\n\n")
    assert old.run("signal-event", "mxbackup-update").returncode == 0
    assert old.record() == "service|name|smithnet.com,1,mail.bar.org,0,foo.org,1|status|enabled"
    assert not old.there(CHECK_RULES) and not old.there(LIST)
    assert "allow:ALL:ALL:*.smithnet.com *@smithnet.com" in entries(
        old, "/var/spool/smtpd/etc/smtpd_check_rules"
    )
    assert old.there(KEPT + LIST) and old.there(KEPT + CHECK_RULES)


def test_a_migration_with_nothing_to_do_changes_nothing(old):
    old.set("service|name|smithnet.com,1|status|enabled")
    inode = (old / CONFIGURATION).stat().st_ino
    done = action(old)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (old / CONFIGURATION).stat().st_ino == inode and not old.there(KEPT)


@pytest.mark.parametrize(
    "path, text, reason",
    [
        (QANDD, "a.org\n{ $OUT = 'b.org'; }\n", "line 2: this is Perl code"),
        (QANDD, "a.org\n# { comment }\n", "line 2: this is Perl code"),
        (QANDD, "a.org\nlocalhost\n", "line 2: localhost"),
        (QANDD, "a.org\n.b.org\n", "line 2: no rule is for all names below b.org"),
        (QANDD, "co.uk\n.co.uk\n", "line 2: co.uk is a public suffix"),
        (QANDD, "a.org\r\n", "line 1: a.org\\r"),
        (QANDD, " a.org\n", "line 1"),
        (QANDD, "a.org b.org\n", "line 1"),
        (QANDD, "a.org # his\n", "line 1"),
        (QANDD, b"caf\xe9.org\n", "line 1"),
        (CHECK_RULES, METHOD_ONE + "deny:ALL:ALL:ALL\n", "line 3"),
        (CHECK_RULES, "allow:ALL:ALL:*@a.org:550 x\n", "line 1"),
        (CHECK_RULES, "allow:ALL:ALL:\n", "line 1"),
        (CHECK_RULES, "allow:ALL:ALL:a.org\n", "line 1"),
        (CHECK_RULES, "allow:ALL:ALL:*.a.org\n", "line 1: no rule is for all names below a.org"),
        (CHECK_RULES, "{ do '/etc/MXBackupDomains' }\n", "Perl"),
        (LIST, "a.org\nnot a name\n", "line 2"),
        (LIST, "a.org\nco.uk\n", "line 2: co.uk is a public suffix"),
        (LIST, "a.org\n127.0.0.1\n", "line 2"),
    ],
)
def test_a_list_that_cannot_be_read_in_full_stays_and_is_reported(old, path, text, reason):
    (old / "/var/spool/smtpd/etc").mkdir(parents=True)
    old.write(path, text)
    before = (old / path).read_bytes()
    for _ in range(2):
        done = old.run("mxbackup", "migrate")
        assert done.returncode == 1
        assert path + ": " in done.stdout and reason in done.stdout and "left in place" in done.stdout
    assert old.record() == "" and (old / path).read_bytes() == before and not old.there(KEPT)
    # What hides our fragment keeps the rules out of a mail file: that fails the event.
    assert action(old).returncode == (0 if path == LIST else 1)


def test_one_bad_list_does_not_keep_another_from_being_taken(old):
    old.write(QANDD, METHOD_TWO)
    old.write(LIST, "bad_name.org\n")
    assert old.run("mxbackup", "migrate").returncode == 1
    assert old.record() == "service|name|smithnet.com,1|status|enabled"
    assert old.there(LIST) and not old.there(QANDD)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/passwd", path)])
def test_what_is_no_plain_file_stays(old, make):
    (old / QANDD).parent.mkdir(parents=True)
    make(old / QANDD)
    make(old / LIST)
    done = action(old)
    assert done.returncode == 1 and done.stdout.count("left in place") == 2
    assert old.there(QANDD) and old.there(LIST)


def test_a_jinja2_fragment_of_the_administrators_own_is_no_list(old):
    shutil.copy(old / "/etc/e-smith/templates/var/qmail/control/rcpthosts/20QandD", old.write(QANDD, ""))
    done = action(old)
    assert (done.returncode, done.stdout) == (0, "") and old.there(QANDD)


def test_an_empty_fragment_is_a_switch_and_stays(old):
    old.write(QANDD, "")
    done = action(old)
    assert done.returncode == 0 and "is empty" in done.stdout and old.there(QANDD)


@pytest.mark.parametrize("place", [CHECK_RULES, CHECK_RULES.replace("61MXBackupDomains", "62ours"),
                                   "/etc/e-smith/templates/var/qmail/control/rcpthosts/95theirs"])
def test_a_perl_fragment_keeps_its_list_which_is_taken_once(old, place):
    (old / "/var/spool/smtpd/etc").mkdir(parents=True)
    old.write(place, "{ open(L, '/etc/MXBackupDomains'); }\n")
    old.write(LIST, "smithnet.com\n")
    done = action(old)
    assert f"it stays, for {place} reads it" in done.stdout and old.there(LIST) and old.there(place)
    assert old.record() == "service|name|smithnet.com,1|status|enabled"
    old.run("mxbackup", "remove", "smithnet.com", "--no-update")
    assert LIST + ":" not in action(old).stdout
    assert old.record() == "service|name||status|enabled"
    old.write(LIST, "smithnet.com\nfoo.org\n")
    action(old)
    assert "foo.org,1" in old.record()
    (old / place).unlink()
    action(old)
    assert not old.there(LIST)


# What was accepted stays accepted, and nothing else becomes so.


@pytest.mark.parametrize("mine, theirs", [("0", METHOD_TWO), ("1", "smithnet.com\n")])
def test_of_two_kinds_the_domain_counts(old, mine, theirs):
    old.set(f"service|name|smithnet.com,{mine}|status|enabled")
    old.write(QANDD, theirs)
    done = old.run("mxbackup", "migrate")
    assert done.returncode == 0 and "smithnet.com is a HOST in one and a DOMAIN in the other" in done.stdout
    assert old.record() == "service|name|smithnet.com,1|status|enabled"


@pytest.mark.parametrize(
    "record", ["service|status|disabled", "service", "service|name|smithnet.com,0|status|disabled"]
)
def test_a_fragment_in_force_enables_the_rules(old, record):
    old.set(record)
    old.write(QANDD, METHOD_TWO)
    done = old.run("mxbackup", "migrate")
    assert done.returncode == 0 and ("enabled now" in done.stdout or record == "service")
    assert old.record() == "service|name|smithnet.com,1|status|enabled"
    assert old.accepted() == {"smithnet.com", ".smithnet.com"}


@pytest.mark.parametrize(
    "record",
    [
        "service|name|off.org,0|status|disabled",
        "service|name|off.org,1",
        "service|name|smithnet.com,1,mail.bar.org,1|status|disabled",
    ],
)
def test_disabled_rules_do_not_come_into_force_by_it(old, record):
    old.set(record)
    old.write(QANDD, METHOD_TWO + "mail.bar.org\n")
    done = old.run("mxbackup", "migrate")
    assert done.returncode == 1 and "is disabled" in done.stdout and "left in place" in done.stdout
    assert old.record() == record and old.there(QANDD)
    assert old.run("expand-template", RCPTHOSTS).returncode == 0
    assert old.accepted() == {"smithnet.com", ".smithnet.com", "mail.bar.org"}
    assert old.run("mxbackup", "enable").returncode == 0
    assert not old.there(QANDD) and {"smithnet.com", ".smithnet.com"} <= old.accepted()


def test_a_command_says_that_its_event_enabled_the_rules(old):
    old.set("service|name||status|enabled")
    old.write(QANDD, METHOD_TWO)
    done = old.run("mxbackup", "disable")
    assert done.returncode == 0 and "MX Backup is enabled now: a list of an older method" in done.stdout
    assert old.accepted() == {"smithnet.com", ".smithnet.com"}
    assert old.run("mxbackup", "disable").stdout == "MX Backup is disabled\n" and old.accepted() == set()


def test_a_fragment_that_is_not_in_force_here_enables_nothing(old):
    shutil.rmtree(old / "/var/qmail")
    old.set("service|name|off.org,0|status|disabled")
    old.write(QANDD, METHOD_TWO)
    assert action(old).returncode == 0
    assert old.record() == "service|name|smithnet.com,1,off.org,0|status|disabled" and not old.there(QANDD)


def test_a_list_alone_was_not_in_force(old):
    old.set("service|name||status|disabled")
    old.write(LIST, "smithnet.com\n")
    assert action(old).returncode == 0
    assert old.record() == "service|name|smithnet.com,1|status|disabled"


# The Perl contrib's record.


@pytest.mark.parametrize(
    "before, after",
    [
        ("SmithNet.COM,1", "smithnet.com,1"),
        ("a.org,0,a.org,1", "a.org,1"),
        ("a.org,1,A.org,0", "a.org,0"),
        ("b.org,1,a.org", "a.org,0,b.org,1"),
        (" a.org , 1 ,b.org,0", "a.org,1,b.org,0"),
        ("a.org.,1", "a.org,1"),
        ("co.uk,1,Bad_One,0,A.org,1", "Bad_One,0,co.uk,1,a.org,1"),
        ("b.org,1,", "b.org,1"),
    ],
)
def test_the_old_record_takes_its_normal_form_once(old, before, after):
    old.set(f"service|name|{before}|status|enabled")
    done = action(old)
    assert done.returncode == 0 and "normal form" in done.stdout, done.stderr
    assert old.record() == f"service|name|{after}|status|enabled"
    assert old.read(KEPT + "/record") == f"mxbackup=service|name|{before}|status|enabled\n"
    assert action(old).stdout == ""


@pytest.mark.parametrize("value", ["", "a.org,1", "b.org,0,a.org,1", "bad_one,0,a.org,1", "co.uk,1,a.org,0"])
def test_a_record_in_normal_form_is_left_alone(old, value):
    old.set(f"service|name|{value}|status|enabled")
    inode = (old / CONFIGURATION).stat().st_ino
    assert action(old).stdout == ""
    assert (old / CONFIGURATION).stat().st_ino == inode


# What goes wrong.


def test_a_dry_run_moves_and_writes_nothing(old):
    old.write(QANDD, METHOD_TWO)
    before = old.read(CONFIGURATION)
    done = old.run("mxbackup", "migrate", "--dry-run")
    assert done.returncode == 0 and "would be moved" in done.stdout
    assert "+mxbackup=service|name|smithnet.com,1|status|enabled" in done.stdout
    assert old.read(CONFIGURATION) == before and old.there(QANDD) and not old.there(KEPT)


def test_where_no_copy_can_be_kept_the_list_stays(old):
    old.write(QANDD, METHOD_TWO)
    old.write(KEPT, "in the way")
    done = action(old)
    assert done.returncode == 1 and "left in place" in done.stdout and old.there(QANDD)
    (old / KEPT).unlink()
    (old / KEPT).symlink_to("/nowhere/at/all")
    done = action(old)
    assert done.returncode == 1 and "left in place" in done.stdout and old.there(QANDD)
    (old / KEPT).unlink()
    assert action(old).returncode == 0 and not old.there(QANDD)


def test_a_second_list_of_one_name_is_kept_beside_the_first(old):
    for text in "a.org\n", "b.org\n", "a.org\n":
        old.write(LIST, text)
        assert action(old).returncode == 0
    assert old.read(KEPT + LIST) == "a.org\n" and old.read(KEPT + LIST + ".1") == "b.org\n"
    assert not old.there(KEPT + LIST + ".2")


def test_a_kill_at_any_moment_loses_no_domain(old):
    randomly = random.Random(5)
    for _ in range(15):
        old.set("service|name||status|disabled")
        old.write(QANDD, METHOD_TWO)
        started = subprocess.Popen(
            [ROOT / "etc/e-smith/events/actions/mxbackup-migrate"],
            env=old.environment,
            stdout=subprocess.DEVNULL,
        )
        time.sleep(randomly.uniform(0.01, 0.1))
        started.send_signal(signal.SIGKILL)
        started.wait()
        assert old.there(QANDD) or old.record() == "service|name|smithnet.com,1|status|enabled"
        assert old.run("expand-template", RCPTHOSTS).returncode == 0
        assert old.accepted() == {"smithnet.com", ".smithnet.com"}
        assert action(old).returncode == 0 and not old.there(QANDD)
        shutil.rmtree(old / KEPT)


def test_two_at_once_take_it_once(old):
    old.write(QANDD, METHOD_TWO)
    old.write(LIST, "foo.org\n")
    command = ROOT / "etc/e-smith/events/actions/mxbackup-migrate"
    started = [subprocess.Popen([command], env=old.environment, stdout=subprocess.DEVNULL) for _ in range(6)]
    assert [process.wait(30) for process in started] == [0] * 6
    assert old.record() == "service|name|smithnet.com,1,foo.org,1|status|enabled"
    assert not old.there(QANDD) and not old.there(LIST)
    assert os.listdir((old / (KEPT + QANDD)).parent) == ["20QandD"]
