"""`mxbackup` under what goes wrong: no room, no rights, a kill, a reader that goes away, hostile lists."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

import needs
import pytest
from sandbox import CHECKOUT, ROOT, Sandbox

CONFIGURATION = "/home/e-smith/db/configuration"
RCPTHOSTS = "/var/qmail/control/rcpthosts"
MXBACKUP = ROOT / "usr/sbin/mxbackup"


@pytest.fixture
def live(host):
    subprocess.run([CHECKOUT / "createlinks", "--root", host.path], check=True)
    assert host.run("mxbackup", "add", "smithnet.com").returncode == 0
    host.record = lambda: host.run("db", "configuration", "getprop", "mxbackup", "name").stdout.strip()
    return host


def entries(host):
    return [line for line in host.read(RCPTHOSTS).splitlines() if not line.startswith("#")]


def on_small_disk(host, folder, size, *arguments):
    """Run `mxbackup` with `folder` on a disk of `size` that holds what it held; returns its result."""
    needs.require("mounts")
    script = """
        cp -a "$1" "$1.before" && mount -t tmpfs -o "size=$2" tmpfs "$1" || exit 99
        cp -a "$1.before/." "$1"
        shift 2; "$@"; status=$?
        cp -a "$0/." "$0.after"; exit $status
    """
    place = str(host / folder)
    os.mkdir(place + ".after")
    return subprocess.run(
        [str(CHECKOUT / "packaging/apart"), "sh", "-c", script, place, place, size, MXBACKUP, *arguments],
        env=host.environment,
        capture_output=True,
        text=True,
    )


def test_no_room_for_the_record(live, tmp_path):
    (tmp_path / "list").write_text("".join(f"n{n}.example.org\n" for n in range(10000)))
    done = on_small_disk(live, "/home/e-smith/db", "64k", "add", "--from-file", tmp_path / "list")
    assert done.returncode == 1 and "No space left" in done.stderr and "Traceback" not in done.stderr
    assert live.read("/home/e-smith/db.after/configuration") == live.read(
        "/home/e-smith/db.before/configuration"
    )
    assert entries(live) == ["sme.doecom.net", "smithnet.com"]


def test_no_room_for_a_mail_file(live, tmp_path):
    (tmp_path / "list").write_text("".join(f".n{n}.example.org\n" for n in range(10000)))
    done = on_small_disk(live, "/var/qmail/control", "64k", "add", "--from-file", tmp_path / "list")
    assert done.returncode == 1 and done.stdout == "10000 rules added\n"
    assert "the record is saved" in done.stderr and f"{RCPTHOSTS} is older" in done.stderr
    assert live.read("/var/qmail/control.after/rcpthosts") == live.read("/var/qmail/control.before/rcpthosts")
    assert live.record().count(",") == 20001
    # With room again, the event is all that is needed.
    assert live.run("signal-event", "mxbackup-update").returncode == 0
    assert ".n7.example.org" in entries(live)


def test_a_kill_at_any_moment_leaves_the_old_rules_or_the_new(live):
    randomly = random.Random(7)
    for number in range(12):
        before, name = live.record(), f"k{number:02}.org"
        started = subprocess.Popen([MXBACKUP, "add", name], env=live.environment, stdout=subprocess.DEVNULL)
        time.sleep(randomly.uniform(0.02, 0.15))
        started.send_signal(signal.SIGKILL)
        started.wait()
        assert live.record() in (before, f"{before},{name},0")
        assert "smithnet.com" in entries(live) and "sme.doecom.net" in entries(live)
    assert live.run("mxbackup", "add", "last.org").returncode == 0
    assert set(live.record().split(",")[::2]) == set(entries(live)) - {"sme.doecom.net"}
    assert not [name for name in os.listdir(live / "/home/e-smith/db") if name != "configuration"]


def test_many_at_once_keep_every_rule_and_every_file_is_right(live):
    started = [
        subprocess.Popen([MXBACKUP, *arguments], env=live.environment, stdout=subprocess.DEVNULL)
        for number in range(4)
        for arguments in (("add", f"n{number}.org"), ("add", f"d{number}.org", "--domain"))
    ]
    started.append(
        subprocess.Popen(
            [MXBACKUP, "remove", "smithnet.com"], env=live.environment, stdout=subprocess.DEVNULL
        )
    )
    assert [process.wait(60) for process in started] == [0] * 9
    names = {f"n{n}.org" for n in range(4)} | {f"{dot}d{n}.org" for n in range(4) for dot in ("", ".")}
    assert set(entries(live)) == names | {"sme.doecom.net"}
    assert live.run("mxbackup", "status").returncode == 0


@pytest.mark.needs("root")
def test_a_user_without_rights():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        host = Sandbox(folder)
        shutil.copytree(ROOT / "usr", host / "usr", ignore=shutil.ignore_patterns("__pycache__"))
        host.write(CONFIGURATION, "mxbackup=service|name|a.org,0|status|enabled\n").chmod(0o600)
        for command in ["add", "b.org"], ["list"], ["status"], ["enable", "--dry-run"]:
            done = subprocess.run(
                [f"{folder}/usr/sbin/mxbackup", *command],
                env=host.environment,
                text=True,
                capture_output=True,
                user=65534,
                group=65534,
                extra_groups=[],
            )
            assert done.returncode == 1 and "Permission denied" in done.stderr
            assert "Traceback" not in done.stderr


@pytest.mark.needs("root")
def test_another_users_dry_run_shows_what_roots_would():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        host = Sandbox(folder)
        shutil.copytree(ROOT, folder, symlinks=True, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([CHECKOUT / "createlinks", "--root", folder], check=True)
        host.write(CONFIGURATION, "mxbackup=service|name|a.org,0|status|enabled\n").chmod(0o644)
        (host / RCPTHOSTS).parent.mkdir(parents=True)
        host.run("signal-event", "mxbackup-update")
        shown = [
            subprocess.run([f"{folder}/usr/sbin/mxbackup", "add", "b.org", "--dry-run"], env=host.environment,
                           stdout=subprocess.PIPE, text=True, user=user, group=user, extra_groups=[]).stdout
            for user in (0, 65534)
        ]
        assert shown[0] == shown[1] and "+b.org\n" in shown[0]


def test_a_reader_that_goes_away(live):
    live.run("mxbackup", "add", "-", "--no-update", input="".join(f"n{n}.example.org\n" for n in range(9000)))
    for command in "list", "list --json", "export":
        shell = f'"$0" {command} | head -n 1 > /dev/null; echo "${{PIPESTATUS[0]}}"'
        done = subprocess.run(
            ["bash", "-c", shell, MXBACKUP], env=live.environment, capture_output=True, text=True
        )
        assert (done.stdout, done.stderr) == ("1\n", "")


def test_closed_streams(live):
    for redirection in "<&-", ">&-", "2>&-", "<&- >&- 2>&-":
        for command in "list", "add b.org --no-update", "add x", "add -":
            done = subprocess.run(
                ["bash", "-c", f'"$0" {command} {redirection}', MXBACKUP],
                env=live.environment,
                capture_output=True,
                text=True,
                input="",
            )
            assert done.returncode in (0, 1, 2) and "Traceback" not in done.stderr, (command, redirection)
    assert "b.org" in live.record()


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"a.org\n" * 1000001, "larger than a list"),
        (b"a" * (1 << 26) + b"\n", "larger than a list"),
        (b"a" * (1 << 20), "refused"),
        (b"\xff" * 1000 + b"\n", "refused"),
        (b"\x00\x01\x02\n", "refused"),
        (b"\x1b]0;title\x07.org\n", "refused"),
        (b"bad_one.org\n" * 5000, "and 4900 more"),
    ],
)
def test_a_list_that_is_none(live, tmp_path, data, reason):
    (tmp_path / "list").write_bytes(data)
    record = live.record()
    for command in ["add", "--from-file"], ["import"], ["import", "--replace"]:
        done = live.run("mxbackup", *command, tmp_path / "list")
        assert done.returncode == 2 and reason in done.stderr and "nothing was changed" in done.stderr
        assert len(done.stderr) < 50000 and "\x1b" not in done.stderr
    assert live.record() == record


@pytest.mark.parametrize(
    "value",
    [
        "{{ 7*7 }},1,a.org,0",
        "a.org,0,{% include 'x' %},1",
        "a\\nb.org,1,a.org,0",
        "\x1b[2J.org,0,a.org,0",
        "a.org,0,=,1",
        "a.org,7,a.org,0",
        ",,,,a.org,0",
        "a.org,0," + "x" * 100000 + ",1",
        "caf\udce9.org,0,a.org,0",
    ],
)
def test_a_hostile_record_beside_a_good_rule(live, value):
    """No entry that is refused reaches a mail file or a terminal, each survives a change, and all can go."""
    line = f"DomainName=doecom.net\nSystemName=sme\nmxbackup=service|name|{value}|status|enabled\n"
    live.write(CONFIGURATION, line.encode("utf-8", "surrogateescape"))
    assert live.run("mxbackup", "add", "b.org").returncode == 0
    assert entries(live) == ["sme.doecom.net", "a.org", "b.org"]
    for command in "list", "status", "export":
        done = live.run("mxbackup", command)
        assert "\x1b" not in done.stdout + done.stderr and "Traceback" not in done.stderr
    assert live.run("mxbackup", "list", "--names").stdout == "a.org\nb.org\n"
    assert live.run("mxbackup", "remove", "a.org", "b.org").returncode == 0
    assert entries(live) == ["sme.doecom.net"]


@pytest.mark.parametrize("value", ["x\\|y,1,A.org,0", "A.org,0,x\\|y,1,z\\|,0", "A.org,0,x,\\|"])
def test_an_entry_that_no_change_can_keep_stops_changes_and_can_be_taken_out(live, value):
    line = f"DomainName=doecom.net\nSystemName=sme\nmxbackup=service|name|{value}|status|enabled\n"
    live.write(CONFIGURATION, line)
    assert live.run("signal-event", "mxbackup-update").returncode == 0
    assert entries(live) == ["sme.doecom.net", "a.org"]
    done = live.run("mxbackup", "add", "b.org")
    assert done.returncode == 2 and "Take it out first: mxbackup remove '" in done.stderr
    assert live.read(CONFIGURATION) == line
    names = done.stderr.partition("mxbackup remove ")[2].replace("'", "").replace("\\\\", "\\").split()
    assert live.run("mxbackup", "remove", *names).returncode == 0
    assert live.run("mxbackup", "add", "b.org").returncode == 0
    assert entries(live) == ["sme.doecom.net", "a.org", "b.org"]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX", "en_US.ISO-8859-1"])
def test_names_that_are_not_ascii_in_any_locale(live, tmp_path, locale):
    place = tmp_path / "b\u00fccher"
    place.write_text("z\u00fcrich.example.org\n")
    done = live.run("mxbackup", "add", "b\u00fccher.example.org", "--from-file", place, LC_ALL=locale)
    assert done.returncode == 0, done.stderr
    assert live.run("mxbackup", "list", "--names").stdout.split() == [
        "smithnet.com",
        "xn--bcher-kva.example.org",
        "xn--zrich-kva.example.org",
    ]
    done = live.run("mxbackup", "add", "stra\u00dfe_.de", LC_ALL=locale)
    assert done.returncode == 2 and "stra\u00dfe_.de" in done.stderr
    assert live.run("mxbackup", "remove", "B\u00dcCHER.example.org", LC_ALL=locale).returncode == 0


def test_a_domain_that_a_short_list_of_suffixes_let_pass_is_warned_of(live):
    script = "import sys; sys.path.insert(0, sys.argv.pop(1)); from mxbackup import cli; " \
             "from mxbackup.rules import publicsuffix; publicsuffix.LIST = '/nowhere'; sys.exit(cli.main(sys.argv))"

    def add(*arguments):
        argv = ["/usr/bin/python3", "-IS", "-c", script, ROOT / "usr/lib/mxbackup", "add", *arguments]
        done = subprocess.run(
            [*argv, "--no-update"], env=live.environment, capture_output=True, text=True
        )
        return done.returncode, done.stderr

    assert add("a.org") == (0, "")
    status, said = add("b.org", "--domain")
    assert status == 0 and "only the best known public suffixes are recognised; install" in said
    assert add("co.uk", "--domain")[0] == 2


def test_a_hundred_thousand_rules_are_added_in_one_command(live, tmp_path):
    (tmp_path / "list").write_text("".join(f"zone{n}.example{n % 97}.org DOMAIN\n" for n in range(100000)))
    done = live.run("mxbackup", "add", "--from-file", tmp_path / "list")
    assert (done.returncode, done.stdout) == (0, "100000 rules added\n")
    assert len(entries(live)) > 100000
