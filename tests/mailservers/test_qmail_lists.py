"""More than fifty rules on a host with qmail: which name is in which list, at every moment."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

import mailfront
import perlhost
import pytest
from sandbox import CHECKOUT, ROOT
from smtp import rcpt_answers
from twoengines import perl

sys.path.insert(0, str(ROOT / "usr/lib/mxbackup"))
sys.path.append(str(CHECKOUT / "tests/check"))

from qpsmtpd import qpsmtpd  # noqa: E402

from mxbackup.mailservers import cdb  # noqa: E402

CONTROL = "/var/qmail/control/"
CONFIGURATION = "/home/e-smith/db/configuration"
NO_PROGRAMS = {"PATH": "/nonexistent"}


def configure(host, rules, status="enabled"):
    """Write a configuration with `rules`, a dict name -> flag."""
    flat = ",".join(f"{name},{flag}" for name, flag in rules.items())
    new = host.write(CONFIGURATION + ".new", "DomainName=doecom.net\nSystemName=sme\n"
                     f"mxbackup=service|name|{flat}|status|{status}\n")
    os.rename(new, host / CONFIGURATION)


def some(count, first=0):
    """Rules in output order; each third is a DOMAIN."""
    return {f"d{number:04}.example.org": int(number % 3 == 0) for number in range(first, first + count)}


def update(host, status=0, **environment):
    ran = host.run("signal-event", "mxbackup-update", **environment)
    assert (ran.returncode, bool(ran.stderr)) == (status, bool(status)), ran.stderr


def listed(host):
    """The entries of rcpthosts."""
    lines = host.read(CONTROL + "rcpthosts").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def compiled(host):
    """The keys in the compiled list, as tinycdb finds them."""
    if not (host / (CONTROL + "morercpthosts.cdb")).exists():
        return set()
    ran = subprocess.run(["cdb", "-l", "-m", str(host / (CONTROL + "morercpthosts.cdb"))],
                         capture_output=True, text=True, check=True)
    return set(ran.stdout.split("\n")) - {""}


def plain(host):
    """The host's own names and the rules' in rcpthosts, the suffixes aside."""
    return [entry for entry in listed(host) if not entry.startswith(".")]


def text(host):
    return host.read(CONTROL + "morercpthosts")


def test_fifty_rules_stay_in_one_list(host):
    configure(host, some(50))
    update(host)
    assert len(plain(host)) == 1 + 50
    assert sorted(os.listdir(host / CONTROL)) == ["rcpthosts", "smtproutes"]


def test_beyond_fifty_the_names_go_to_the_compiled_list_and_the_suffixes_stay(host):
    rules = some(120)
    configure(host, rules)
    update(host)
    names = list(rules)
    assert plain(host) == ["sme.doecom.net"] + names[:50]
    assert [entry for entry in listed(host) if entry.startswith(".")] == [
        "." + name for name, flag in rules.items() if flag]
    assert compiled(host) == set(names[50:])
    assert [line for line in text(host).splitlines() if not line.startswith("#")] == names[50:]
    before = {name: os.stat(host / CONTROL / name).st_ino for name in os.listdir(host / CONTROL)}
    update(host)
    assert {name: os.stat(host / CONTROL / name).st_ino for name in os.listdir(host / CONTROL)} == before


def test_mailfront_takes_and_refuses_by_both_lists(host):
    rules = some(120)
    configure(host, rules)
    update(host)
    names = list(rules)
    with mailfront.start(host / CONTROL, remote="192.0.2.7") as server:
        answers = rcpt_answers(server.address, [
            *(f"a@{name}" for name in names), f"A@{names[-1].upper()}", f"x@deep.{names[117]}",
            f"x@deep.{names[118]}", "tomy@hotmail.com", f"x@x{names[119]}"])
    assert [answer // 100 for answer in answers] == [2] * 122 + [5] * 3


def test_no_program_is_needed_to_compile_or_to_take_out(host):
    rules = some(60)
    configure(host, rules)
    update(host, **NO_PROGRAMS)
    assert compiled(host) == set(list(rules)[50:])
    update(host, MXBACKUP_WITHHOLD="1", **NO_PROGRAMS)
    assert compiled(host) == set() and not set(plain(host)) & set(rules)


def test_an_expansion_by_itself_compiles_nothing(host):
    rules = some(60)
    configure(host, rules)
    assert host.run("expand-template", CONTROL + "rcpthosts").returncode == 0
    assert plain(host)[1:] == list(rules) and compiled(host) == set()


def test_an_expansion_alone_leaves_out_only_what_is_compiled_now(host):
    configure(host, some(60))
    update(host)
    # Ten more rules in front: what was in the first fifty is beyond them, and not compiled.
    rules = {**{f"a{number}.example.org": 0 for number in range(10)}, **some(60)}
    configure(host, rules)
    assert host.run("expand-template", CONTROL + "rcpthosts").returncode == 0
    assert set(plain(host)[1:]) | compiled(host) == set(rules)
    assert set(plain(host)[1:]) & compiled(host) == set()
    (host / (CONTROL + "morercpthosts.cdb")).unlink()
    assert host.run("expand-template", CONTROL + "rcpthosts").returncode == 0
    assert plain(host)[1:] == list(rules)


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:2000], lambda data: data[:-8], lambda data: data[:2200],
    lambda data: b"\0" * len(data), lambda data: b"\xff" * len(data), lambda data: data + b"x",
    lambda data: data[:2048] + b"\xff" * 8 + data[2056:],
])
def test_a_damaged_compiled_list_holds_nothing(host, damage):
    rules = some(60)
    configure(host, rules)
    update(host)
    cdb = host / (CONTROL + "morercpthosts.cdb")
    cdb.write_bytes(damage(cdb.read_bytes()))
    assert host.run("expand-template", CONTROL + "rcpthosts").returncode == 0
    assert plain(host)[1:] == list(rules)
    update(host)
    assert plain(host)[1:] == list(rules)[:50] and compiled(host) == set(list(rules)[50:])


def test_the_administrators_lines_stay_compiled_or_not(host):
    host.write(CONTROL + "morercpthosts", "# mine\nhand.example  \nUpper.Example\n\n.suffix.example\n")
    host.write("/in", "+8,0:old.test->\n+12,0:hand.example->\n\n")
    subprocess.run(["cdb", "-c", host / (CONTROL + "morercpthosts.cdb"), host / "/in"], check=True)
    theirs = {"hand.example", "upper.example", ".suffix.example", "old.test"}
    rules = some(55)
    configure(host, rules)
    update(host)
    assert compiled(host) == theirs | set(list(rules)[50:])
    assert text(host).startswith("# mine\nhand.example  \nUpper.Example\n\n.suffix.example\nold.test\n")
    host.write(CONTROL + "morercpthosts", "new.test\n" + text(host).replace("hand.example", "") + "last.test")
    update(host)
    assert compiled(host) == theirs - {"hand.example"} | {"new.test", "last.test"} | set(list(rules)[50:])
    configure(host, rules, "disabled")
    update(host)
    assert compiled(host) == theirs - {"hand.example"} | {"new.test", "last.test"}
    assert text(host) == "new.test\n# mine\n  \nUpper.Example\n\n.suffix.example\nold.test\nlast.test\n"


def test_names_of_ours_stay_ours_where_the_list_is_lost(host):
    """Among them names that go back to rcpthosts at the same time."""
    rules = some(60)
    configure(host, rules)
    update(host)
    (host / (CONTROL + "morercpthosts")).unlink()
    rules = some(55, 5)
    configure(host, rules)
    expanded = host / "/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/90broken"
    host.write(str(expanded.relative_to(host.path)), "{# jinja2 #}{{ 1/0 }}\n")
    update(host, 1)
    assert set(rules) <= compiled(host) | set(plain(host))
    expanded.unlink()
    update(host)
    assert compiled(host) == set(list(rules)[50:]) and set(rules) == compiled(host) | set(plain(host)[1:])
    configure(host, {})
    update(host)
    assert not compiled(host)


def test_without_rules_the_administrators_lists_are_not_touched(host):
    host.write(CONTROL + "morercpthosts", "hand.example\n")
    host.write(CONTROL + "morercpthosts.cdb", "no cdb at all")
    configure(host, some(3))
    update(host)
    assert text(host) == "hand.example\n" and host.read(CONTROL + "morercpthosts.cdb") == "no cdb at all"


@pytest.mark.parametrize("change, environment", [
    (lambda host: configure(host, some(60), "disabled"), {}),
    (lambda host: configure(host, {}), {}),
    (lambda host: configure(host, some(50)), {}),
    (lambda host: None, {"MXBACKUP_WITHHOLD": "1"}),
    (lambda host: configure(host, {}), NO_PROGRAMS),
])
def test_names_that_are_no_longer_wanted_leave_the_compiled_list(host, change, environment):
    configure(host, some(60))
    update(host)
    assert compiled(host)
    change(host)
    update(host, **environment)
    assert sorted(os.listdir(host / CONTROL)) == ["rcpthosts", "smtproutes"]


def test_a_rcpthosts_of_qpsmtpds_own_is_whole(host):
    host.write("/var/service/qpsmtpd/config/rcpthosts", "")
    rules = some(60)
    configure(host, rules)
    update(host)
    assert plain(host)[1:] == list(rules) and compiled(host) == set()
    assert set(rules) <= set(host.read("/var/service/qpsmtpd/config/rcpthosts").split())


def test_under_the_perl_engine_too(host):
    perlhost.make(host)
    for rules in (some(60), some(70), some(55), {}):
        configure(host, rules)
        ran = perl(host, "signal-event", "mxbackup-update")
        assert (ran.returncode, ran.stderr) == (0, "")
        assert [name for name in plain(host) if name in rules] == list(rules)[:50]
        assert compiled(host) == set(list(rules)[50:])


@pytest.mark.parametrize("perl_has_it", [True, False])
def test_where_there_is_qpsmtpd_the_split_takes_perls_reader_of_the_compiled_list(host, perl_has_it):
    (host / "/var/service/qpsmtpd/config").mkdir(parents=True)
    rules = some(60)
    configure(host, rules)
    path = compiler(host, "perl", f"[ $1 = -MCDB_File ] && exit {2 - 2 * perl_has_it}")["PATH"]
    (host / "bin/cdb").symlink_to("/usr/bin/cdb")
    update(host, PATH=path)
    assert plain(host)[1:] == list(rules)[:50 if perl_has_it else 60]
    assert compiled(host) == set(list(rules)[50:] if perl_has_it else ())


def test_qpsmtpd_takes_and_refuses_by_both_lists(host):
    rules = some(60)
    configure(host, rules)
    update(host)
    lists = [host / CONTROL / name for name in ("morercpthosts", "morercpthosts.cdb")]
    with qpsmtpd(host / CONTROL / "rcpthosts", files=lists) as (address, _):
        names = list(rules)
        answers = rcpt_answers(address, [
            *(f"a@{name}" for name in names), f"x@deep.{names[57]}", f"x@deep.{names[58]}", "t@hotmail.com"])
    assert [answer // 100 for answer in answers] == [2] * 61 + [5] * 2


def compiler(host, name, script):
    """A PATH with a program of this `name` alone, besides the shell's."""
    (host / "bin").mkdir()
    program = host.write(f"/bin/{name}", f"#!/bin/sh\n{script}\n", 0o755)
    return {"PATH": f"{program.parent}:/nonexistent"}


def test_the_compiled_list_is_what_tinycdb_makes_of_the_same_names(tmp_path):
    for names in ({"a.example"}, {f"d{number}.example.org" for number in range(3000)}, {"b\udcff\xe9.example", "x"}):
        keys = sorted(name.encode("utf-8", "surrogateescape") for name in names)
        records = b"".join(b"+%d,0:%s->\n" % (len(key), key) for key in keys)
        subprocess.run(["cdb", "-c", tmp_path / "theirs"], input=records + b"\n", check=True)
        assert cdb.keys(cdb.make(names)) == cdb.keys((tmp_path / "theirs").read_bytes()) == names
        (tmp_path / "ours").write_bytes(cdb.make(names))
        for key in keys[::100]:
            assert subprocess.run(["cdb", "-q", tmp_path / "ours", key]).returncode == 0
        assert subprocess.run(["cdb", "-q", tmp_path / "ours", "no.such.name"]).returncode == 100


def test_where_the_compiled_list_cannot_be_written_the_event_fails_and_no_name_is_lost(host):
    configure(host, some(60))
    update(host)
    names = compiled(host)
    place = host / (CONTROL + "morercpthosts.cdb")
    place.unlink()
    place.mkdir()
    rules = some(80)
    configure(host, rules)
    update(host, status=1)
    assert set(plain(host)[1:]) == set(rules) and names
    place.rmdir()
    update(host)
    assert compiled(host) == set(list(rules)[50:])


@pytest.mark.parametrize("room", [0, 1000, 3000, 6000, 9000])
def test_where_no_file_can_be_written_each_stays_whole(host, room):
    configure(host, some(60))
    update(host)
    before = [(host / CONTROL / name).read_bytes() for name in ("rcpthosts", "morercpthosts.cdb")]
    configure(host, some(400))
    command = ["prlimit", f"--fsize={room}", str(ROOT / "sbin/e-smith/signal-event"), "mxbackup-update"]
    ran = subprocess.run(command, env=host.environment, capture_output=True)
    assert ran.returncode == 1 and b"failed" in ran.stderr
    after = [(host / CONTROL / name).read_bytes() for name in ("rcpthosts", "morercpthosts.cdb")]
    assert after[0] == before[0] or room > 3000
    assert set(plain(host)) | compiled(host) >= set(some(60))
    assert not [name for name in os.listdir(host / CONTROL) if name.startswith(".")]
    update(host)
    assert set(plain(host)[1:]) | compiled(host) == set(some(400))


def test_a_failing_expansion_loses_no_name(host):
    rules = some(60)
    configure(host, rules)
    update(host)
    before = listed(host)
    host.write("/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/99bad", "{ perl }\n")
    configure(host, dict(list(rules.items())[5:]))
    update(host, status=1)
    assert listed(host) == before
    assert set(before) | compiled(host) >= set(list(rules)[5:])
    (host / "/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/99bad").unlink()
    update(host)
    assert set(plain(host)[1:]) | compiled(host) == set(list(rules)[5:])
    assert set(plain(host)[1:]) & compiled(host) == set()


def test_no_moment_and_no_cut_in_which_a_name_is_in_neither(host):
    """While rules come and go and updates are killed, a name that is always a rule is in one of the lists."""
    always = some(70, 500)
    configure(host, always)
    update(host)
    dice = random.Random(5)
    done = threading.Event()
    missing = []

    def watch():
        while not done.is_set():
            # rcpthosts first: a name that moves is put into the other list before it leaves this one, so the
            # lists are read again where one seems to be missing and something was replaced in between.
            for _ in range(50):
                before = identities()
                seen = set(listed(host)) | cdb.keys(
                    (host / (CONTROL + "morercpthosts.cdb")).read_bytes())
                if identities() == before:
                    break
            else:
                continue
            if not seen.issuperset(always):
                missing.append(set(always) - seen)

    def identities():
        return [os.stat(host / (CONTROL + name)).st_ino for name in ("rcpthosts", "morercpthosts.cdb")]

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for turn in range(40):
            others = some(dice.randrange(120), dice.choice([0, 900]))
            configure(host, dict(sorted({**others, **always}.items())))
            process = subprocess.Popen([str(ROOT / "sbin/e-smith/signal-event"), "mxbackup-update"],
                                       env=host.environment, start_new_session=True)
            if turn % 4:
                time.sleep(dice.uniform(0.01, 0.25))
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
    finally:
        done.set()
        watcher.join()
    assert not missing
    update(host)
    assert set(plain(host)[1:]) & compiled(host) == set()


def test_two_updates_at_once(host):
    rules = some(300)
    configure(host, rules)
    processes = [subprocess.Popen([str(ROOT / "sbin/e-smith/signal-event"), "mxbackup-update"],
                                  env=host.environment) for _ in range(6)]
    assert [process.wait(60) for process in processes] == [0] * 6
    assert plain(host)[1:] == list(rules)[:50] and compiled(host) == set(list(rules)[50:])


def withdraw(host):
    """Take everything out as an erase does; returns (exit status, what was said)."""
    program = "import sys; sys.path.insert(0, sys.argv[1]); from mxbackup.mailfiles import withdrawal\n"
    ran = subprocess.run([sys.executable, "-c", program + "sys.exit(withdrawal.main())", ROOT / "usr/lib/mxbackup"],
                         env=host.environment, capture_output=True, text=True)
    return ran.returncode, ran.stdout


def test_no_withdrawal_ends_well_while_the_compiled_list_holds_names(host):
    configure(host, some(60))
    update(host)
    place = host / (CONTROL + "morercpthosts")
    place.rename(host / "/kept")
    place.mkdir()
    status, said = withdraw(host)
    assert status == 1 and "morercpthosts" in said
    place.rmdir()
    (host / "/kept").rename(place)
    again = withdraw(host)
    assert again[0] == 0 and compiled(host) == set(), again


def test_a_part_that_is_cut_is_saved_before(host):
    configure(host, some(3))
    update(host)
    edited = host.read(CONTROL + "rcpthosts").replace("d0001", "hand.example\nd0001")
    host.write(CONTROL + "rcpthosts", edited)
    (host / "/etc/e-smith/templates-custom/var/qmail/control/rcpthosts").mkdir(parents=True)
    host.write("/etc/e-smith/templates-custom/var/qmail/control/rcpthosts/90broken", "{ perl }\n")
    assert withdraw(host)[0] == 0
    assert host.read(CONTROL + "rcpthosts.esmith-save") == edited
