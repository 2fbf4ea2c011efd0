"""db and config from the command line, where the recording of the Perl engine has nothing to say."""

import json
import os
import shutil
import subprocess
import tempfile

import needs
import pytest
from sandbox import CHECKOUT, ROOT, Sandbox, Syslog

BEFORE = "mxbackup=service|name|a.org,1|status|enabled\nother=thing\n"
PLACE = "/home/e-smith/db/configuration"


@pytest.fixture
def host(sandbox):
    sandbox.write(PLACE, BEFORE)
    return sandbox


def untouched(host):
    """Whether the database is as it was and nothing lies beside it."""
    folder = host / "/home/e-smith/db"
    return os.listdir(folder) == ["configuration"] and host.read(PLACE) == BEFORE


@pytest.mark.parametrize("arguments, why", [
    (["set", "a=b", "t"], "key 'a=b' refused: it has a ="),
    (["set", "#a", "t"], "key '#a' refused: it begins with #"),
    (["set", " #a", "t"], "begins with #"),
    (["set", "a\nb", "t"], r"key 'a\nb' refused: it has a newline"),
    (["set", "", "t"], "key '' refused: it is empty"),
    (["setdefault", "a=b", "t"], "has a ="),
    (["settype", "a=b", "t"], "has a ="),
    (["setprop", "a=b", "p", "v"], "has a ="),
    (["set", "new", "t|x"], "key 'new': type 't|x' refused: it has a |"),
    (["set", "mxbackup", "t\\"], "key 'mxbackup': type 't\\' refused: it ends in a backslash"),
    (["settype", "mxbackup", "t|"], "has a |"),
    (["setdefault", "new", "t\\"], "ends in a backslash"),
    (["setprop", "mxbackup", "", "v"], "key 'mxbackup': a property without a name refused"),
    (["set", "new", "t", "", "v"], "a property without a name"),
    (["setprop", "mxbackup", "p|q", "v"], "key 'mxbackup': property 'p|q' refused: it has a |"),
    (["setprop", "mxbackup", "p\\", "v"], "property 'p\\' refused: it ends in a backslash"),
    (["setprop", "mxbackup", "p", "v\\"], "value of property 'p': 'v\\' refused: it ends in a backslash"),
    (["setprop", "mxbackup", "p", "v|status|disabled"], "has a |"),
    (["setprop", "nobody", "p", "a|b"], "has a |"),
    (["setprop", "mxbackup", "1", "a", "2", "b", "3", "c", "4", "d", "5", "e|"], "'5': 'e|' refused"),
    (["set", "new", "t", "1", "a", "2", "b", "3", "c", "4", "d", "5", "e\\"], "property '5'"),
    (["setdefault", "mxbackup", "t", "1", "a|"], "has a |"),
    (["setprop", "mxbackup", "p", "a|b", "--dry-run"], "has a |"),
])
def test_what_a_database_cannot_hold_is_refused(host, arguments, why):
    done = host.run("db", "configuration", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("db: key ") and why in done.stderr
    assert done.stderr.endswith("; nothing was changed\n") and done.stderr.count("\n") == 1
    assert untouched(host)


@pytest.mark.parametrize("arguments", [
    [], ["configuration"], ["configuration", "nonsense"], [""], ["configuration", "get"],
    ["configuration", "set", "k"], ["configuration", "set", "k", "t", "p"],
    ["configuration", "setprop", "k", "p"], ["configuration", "setprop", "k", "--dry-run"],
    ["configuration", "settype", "mxbackup", ""],
    ["configuration", "_show"], ["configuration", "delete"], ["configuration", "delprop", "mxbackup"],
])
def test_wrong_use_tells_the_right_one(host, arguments):
    done = host.run("db", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage:\n    db DATABASE ")
    assert untouched(host)


def test_config_is_db_configuration(host):
    assert host.run("config", "getprop", "mxbackup", "status").stdout == "enabled\n"
    assert host.run("config", "set", "new", "t").returncode == 0
    assert host.read(PLACE).endswith("\nnew=t\nother=thing\n")
    done = host.run("config", "set")
    assert done.returncode == 2 and "\n    config set key type" in done.stderr


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help(host, option):
    done = host.run("db", option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("    db DATABASE ") == 14 and "--dry-run" in done.stdout


@pytest.mark.parametrize("arguments, shown", [
    (["setprop", "mxbackup", "status", "disabled", "access", "public"],
     "- mxbackup=service|name|a.org,1|status|enabled\n"
     "+ mxbackup=service|access|public|name|a.org,1|status|disabled\n"),
    (["set", "new", "t", "text", "one\ntwo"], "+ new=t|text|one\\ntwo\n"),
    (["setdefault", "other", "x"], "- other=thing\n+ other=thing\n"),
    (["settype", "other", "x"], "- other=thing\n+ other=x\n"),
    (["delprop", "mxbackup", "name", "none"],
     "- mxbackup=service|name|a.org,1|status|enabled\n+ mxbackup=service|status|enabled\n"),
    (["delete", "other"], "- other=thing\n"),
    (["setprop", "none", "p", "v"], ""),
])
def test_dry_run_shows_the_line_before_and_after(host, arguments, shown):
    for dry in ([*arguments, "--dry-run"], [arguments[0], "--dry-run", *arguments[1:]]):
        done = host.run("db", "configuration", *dry)
        assert (done.returncode, done.stdout, done.stderr) == (0, shown, "")
        assert untouched(host)
    host.run("db", "configuration", *arguments)
    after = [line[2:] for line in shown.splitlines() if line.startswith("+ ")]
    assert set(after) <= set(host.read(PLACE).splitlines())


def test_dry_run_of_what_is_not_there_fails_as_it_would(host):
    assert host.run("db", "configuration", "delete", "none", "--dry-run").returncode == 1
    assert host.run("db", "configuration", "settype", "none", "t", "--dry-run").returncode == 1


def test_dry_run_where_a_value_belongs_is_a_value(host):
    assert host.run("db", "configuration", "setprop", "other", "option", "--dry-run").returncode == 0
    assert "other=thing|option|--dry-run\n" in host.read(PLACE)


def test_json(host):
    host.write(PLACE, b"mxbackup=service|empty||text|one\\ntwo\nlatin=caf\xe9|p\nplain=1\n")
    for arguments in ["--json"], []:
        done = host.run("db", "configuration", "show", *arguments)
        assert done.returncode == 0
    shown = json.loads(host.run("db", "configuration", "show", "--json").stdout)
    assert list(shown) == ["latin", "mxbackup", "plain"]
    assert shown["mxbackup"] == {"type": "service", "props": {"empty": "", "text": "one\ntwo"}}
    assert shown["latin"] == {"type": "caf\udce9", "props": {"p": ""}}
    one = host.run("config", "show", "plain", "--json")
    assert json.loads(one.stdout) == {"plain": {"type": "1", "props": {}}}
    none = host.run("config", "show", "none", "--json")
    assert (none.returncode, json.loads(none.stdout)) == (1, {})


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_bytes_of_any_charset_pass_through(host, locale):
    for command in (
        ["set", b"caf\xe9", b"t\xff", b"pr\xc3\xa9", b"\x80\xfe"],
        ["setprop", b"caf\xe9", b"x", b"\xe2\x82\xac\x01"],
    ):
        done = subprocess.run(
            [ROOT / "sbin/e-smith/db", "configuration", *command], capture_output=True,
            env={**host.environment, "LANG": locale, "LC_ALL": locale},
        )
        assert (done.returncode, done.stderr) == (0, b"")
    assert b"caf\xe9=t\xff|pr\xc3\xa9|\x80\xfe|x|\xe2\x82\xac\x01\n" in (host / PLACE).read_bytes()
    done = subprocess.run(
        [ROOT / "sbin/e-smith/db", "configuration", "show", b"caf\xe9"], capture_output=True,
        env={**host.environment, "LANG": locale, "LC_ALL": locale},
    )
    assert done.stdout == b"caf\xe9=t\xff\n    pr\xc3\xa9=\x80\xfe\n    x=\xe2\x82\xac\x01\n"


def test_one_command_is_one_pair_of_lines_in_the_log(host):
    log = Syslog(host / "/dev/log")
    host.run("db", "configuration", "setprop", "mxbackup", "status", "disabled", "café", "é", "z", "1")
    host.run("db", "configuration", "setprop", "mxbackup", "status", "disabled")
    host.run("db", "configuration", "delete", "other")
    log.close()
    assert [message.partition(b": ")[2] for message in log.messages] == [
        b"/home/e-smith/db/configuration: OLD mxbackup=service|name|a.org,1|status|enabled",
        b"/home/e-smith/db/configuration: NEW mxbackup=service|caf__|__|name|a.org,1|status|disabled|z|1",
        b"/home/e-smith/db/configuration: DELETE other=thing",
    ]


def test_no_change_is_no_write(host):
    inode = (host / PLACE).stat().st_ino
    assert host.run("db", "configuration", "setprop", "mxbackup", "status", "enabled").returncode == 0
    assert (host / PLACE).stat().st_ino == inode and untouched(host)


@pytest.mark.parametrize("before, after", [(0o644, 0o640), (0o640, 0o640), (0o600, 0o600), (0o666, 0o640)])
def test_the_mode_is_that_of_the_perl_engine_or_stricter(host, before, after):
    (host / PLACE).chmod(before)
    host.run("db", "configuration", "set", "new", "t")
    assert (host / PLACE).stat().st_mode & 0o7777 == after


@pytest.mark.needs("root")
@pytest.mark.parametrize("groups, owner", [
    ("root:x:0:\nadmin:x:4321:\n", (0, 4321)), ("root:x:0:\n", (4, 5)), ("admin:x:\n", (4, 5)),
    ("admin", (4, 5)),
])
def test_a_database_belongs_to_root_and_admin(host, groups, owner):
    host.write("/etc/group", groups)
    os.chown(host / PLACE, 4, 5)
    host.run("db", "configuration", "set", "new", "t")
    status = (host / PLACE).stat()
    assert (status.st_uid, status.st_gid) == owner


def test_a_long_record(host):
    value = "x" * 100_000
    assert host.run("db", "configuration", "set", "long", "t", "p", value, "q", value).returncode == 0
    assert host.run("db", "configuration", "getprop", "long", "q").stdout == value + "\n"


# Where the file or its folder will not do.

@pytest.mark.parametrize("command", [["show"], ["set", "k", "t"], ["setprop", "k", "p", "v"], ["keys"]])
@pytest.mark.parametrize("place", ["folder", "fifo", "missing"])
def test_no_database_there(sandbox, place, command):
    folder = sandbox / "/home/e-smith/db"
    if place != "missing":
        folder.mkdir(parents=True)
        (folder / "configuration").mkdir() if place == "folder" else os.mkfifo(folder / "configuration")
    done = sandbox.run("db", "configuration", *command)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("db: /home/e-smith/db/configuration ") and done.stderr.count("\n") == 1
    assert {
        "folder": "is not a file", "fifo": "is not a file", "missing": "make its folder, or set DBPATH",
    }[place] in done.stderr
    if place != "missing":
        assert os.listdir(folder) == ["configuration"]


@pytest.fixture
def ordinary():
    """A sandbox with a copy of the engine that an ordinary user can reach, and that user's number."""
    needs.require("root")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for part in "sbin", "usr":
            shutil.copytree(ROOT / part, f"{folder}/{part}", ignore=shutil.ignore_patterns("__pycache__"))
        host = Sandbox(folder)
        host.write(PLACE, BEFORE)

        def run(*arguments):
            return subprocess.run(
                [f"{folder}/sbin/e-smith/db", "configuration", *arguments], user=65534, group=65534,
                extra_groups=[], env=host.environment, capture_output=True, text=True,
            )

        yield host, run


def test_a_folder_that_cannot_be_written(ordinary):
    host, run = ordinary
    assert run("show", "other").stdout == "other=thing\n"
    done = run("setprop", "other", "p", "v")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"db: {PLACE} cannot be locked: Permission denied; run it as root\n"
    assert untouched(host)


def test_a_file_that_cannot_be_read(ordinary):
    host, run = ordinary
    (host / PLACE).chmod(0o600)
    (host / "/home/e-smith/db").chmod(0o777)
    for command in ["show"], ["getprop", "other", "p"], ["set", "k", "t"]:
        done = run(*command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"db: {PLACE} cannot be read: Permission denied; run it as root\n"
    assert untouched(host)


def test_a_user_may_write_where_the_folder_lets_him(ordinary):
    host, run = ordinary
    (host / "/home/e-smith/db").chmod(0o777)
    assert run("setprop", "other", "p", "v").returncode == 0
    assert "other=thing|p|v\n" in host.read(PLACE)
    assert os.listdir(host / "/home/e-smith/db") == ["configuration"]


@pytest.mark.needs("mounts")
def test_a_full_disk_leaves_the_old_file(host):
    script = """
        mount -t tmpfs -o size=64k tmpfs "$1" && cp "$1.before" "$1/configuration" || exit 99
        DBPATH="$1" "$2" configuration set long t p "$(printf '%070000d' 0)"; echo "status $?"
        ls -A "$1"; cmp "$1.before" "$1/configuration" && echo same
        DBPATH="$1" "$2" configuration set short t; echo "status $?"
    """
    folder = host / "/home/e-smith/full"
    folder.mkdir()
    (host / "/home/e-smith/full.before").write_text(BEFORE)
    done = subprocess.run(
        [str(CHECKOUT / "packaging/apart"), "sh", "-c", script, "sh", str(folder), str(ROOT / "sbin/e-smith/db")],
        env=host.environment, capture_output=True, text=True,
    )
    assert done.stdout.split("\n") == ["status 1", "configuration", "same", "status 0", ""]
    assert done.stderr.endswith(" cannot be written: No space left on device; make room on its disk\n")


@pytest.mark.needs("bash")
def test_a_reader_that_goes_away(host):
    host.write(PLACE, "".join(f"key{n}=t|p|{'x' * 100}\n" for n in range(5000)))
    for command in "show", "keys", "print":
        shell = f'"$0" configuration {command} | head -n 1 >/dev/null; echo "${{PIPESTATUS[0]}}"'
        done = subprocess.run(
            ["bash", "-c", shell, ROOT / "sbin/e-smith/db"],
            env=host.environment, capture_output=True, text=True,
        )
        # As any other program that writes to nobody: killed by SIGPIPE (or done, had the pipe room).
        assert done.stdout in ("141\n", "0\n") and done.stderr == ""


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_output_that_cannot_be_written(host, redirection):
    done = subprocess.run(
        ["bash", "-c", f'"$0" configuration show {redirection}', ROOT / "sbin/e-smith/db"],
        env=host.environment, capture_output=True, text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("db: standard output: ") and done.stderr.count("\n") == 1


def test_lines_that_are_no_records_are_kept_as_the_perl_engine_does(host):
    host.write(PLACE, b"novalue\nodd=t|p\n=nokey\n a =spaced\n# gone\n\n  # gone too\nlast=no newline")
    assert host.run("db", "configuration", "set", "k", "t").returncode == 0
    kept = [line for line in host.read(PLACE).splitlines() if not line.startswith("#")]
    assert kept == ["=nokey", " a =spaced", "k=t", "last=no newline", "novalue=", "odd=t|p"]


def test_a_database_of_noise_is_no_crash(host):
    noise = bytes(range(1, 256)) * 40
    host.write(PLACE, noise)
    for command in (
        ["show"], ["print"], ["keys"], ["printtype"], ["show", "--json"], ["set", "k", "t"], ["delete", "k"],
    ):
        done = subprocess.run(
            [ROOT / "sbin/e-smith/db", "configuration", *command], env=host.environment, capture_output=True,
        )
        assert (done.returncode, done.stderr) == (0, b""), command
