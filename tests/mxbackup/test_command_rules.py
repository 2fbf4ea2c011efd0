"""`mxbackup add`, `remove`, `list`, `enable` and `disable`, as an administrator types them."""

import json
import os
import pty
import shutil
import subprocess

import pytest
from sandbox import ROOT

CONFIGURATION = "/home/e-smith/db/configuration"


@pytest.fixture
def mxbackup(host):
    """Runs `mxbackup` on a host whose event only counts how often it was signalled."""
    host.write(
        "/etc/e-smith/events/mxbackup-update/S05count",
        f"#!/bin/sh\necho signalled >> {host / 'events'}\n",
        0o755,
    )

    def run(*arguments, **named):
        return host.run("mxbackup", *arguments, **named)

    run.host = host
    run.events = lambda: host.read("events").count("signalled") if (host / "events").exists() else 0
    run.record = lambda: host.run("db", "configuration", "get", "mxbackup").stdout.strip()
    return run


def test_add_writes_the_record_once_and_signals_one_event(mxbackup):
    done = mxbackup("add", "smithnet.com", "--domain")
    assert (done.returncode, done.stdout) == (0, "smithnet.com: added as a DOMAIN\n"), done.stderr
    assert mxbackup.record() == "service|name|smithnet.com,1|status|enabled"
    assert mxbackup("add", "Mail.Bar.ORG", "mx.bar.org.").returncode == 0
    assert mxbackup.record() == "service|name|smithnet.com,1,mail.bar.org,0,mx.bar.org,0|status|enabled"
    assert mxbackup.events() == 2


def test_no_update_leaves_the_event_out(mxbackup):
    assert mxbackup("add", "smithnet.com", "--no-update").returncode == 0
    assert mxbackup.record() == "service|name|smithnet.com,0|status|enabled"
    assert mxbackup.events() == 0


def test_what_is_there_already_changes_nothing_and_signals_nothing(mxbackup):
    mxbackup("add", "smithnet.com", "--domain", "--no-update")
    for arguments in ("smithnet.com",), ("SMITHNET.com", "--domain"):
        done = mxbackup("add", *arguments)
        assert (done.returncode, done.stdout) == (0, "smithnet.com: is a DOMAIN already\n")
    assert mxbackup.events() == 0
    assert mxbackup.record() == "service|name|smithnet.com,1|status|enabled"


def test_another_kind_is_said_and_changes_the_rule(mxbackup):
    mxbackup("add", "smithnet.com")
    done = mxbackup("add", "smithnet.com", "--domain")
    assert (done.returncode, done.stdout) == (0, "smithnet.com: is a DOMAIN now\n")
    assert mxbackup("add", "smithnet.com", "--host").stdout == "smithnet.com: is a HOST now\n"
    assert mxbackup.events() == 3


@pytest.mark.parametrize(
    "name",
    [
        "",
        "smithnet",
        "smith_net.com",
        "-a.com",
        "a..com",
        ".",
        "127.0.0.1",
        "a.com|b",
        "a=b.com",
        "{{7*7}}.com",
        "a.com\nb.com",
        "a" * 64 + ".com",
        ("a" * 60 + ".") * 5 + "com",
        "a,1",
        "a b.com",
        "\x1b[2J.com",
        "caf\udce9.com",
        "#a.com",
        "a.com#",
    ],
)
def test_a_name_that_is_no_host_name_is_refused_and_nothing_changes(mxbackup, name):
    mxbackup("add", "a.org", "--no-update")
    before = mxbackup.host.read(CONFIGURATION)
    done = mxbackup("add", "good.com", "--", name)
    assert done.returncode == 2 and done.stdout == ""
    assert "1 of 2 refused; nothing was changed" in done.stderr or "1 of 1 refused" in done.stderr
    assert "\x1b" not in done.stderr
    assert mxbackup.host.read(CONFIGURATION) == before and mxbackup.events() == 0


@pytest.mark.parametrize("name", ["co.uk", "CO.UK.", "github.io", "xn--p1ai"])
def test_a_domain_on_a_public_suffix_is_refused(mxbackup, name):
    done = mxbackup("add", name, "--domain")
    assert done.returncode == 2 and "mxbackup: " + name in done.stderr
    assert mxbackup.record() == "" and mxbackup.events() == 0


def test_wrong_use_exits_2(mxbackup):
    for arguments in (
        ("add",),
        ("remove",),
        ("frobnicate",),
        ("add", "--frob"),
        ("add", "a.org", "--host", "--domain"),
        ("list", "--json", "--csv"),
        ("enable", "x"),
        ("add", "--from-file"),
        ("add", "--dom", "a.org"),
    ):
        done = mxbackup(*arguments)
        assert done.returncode == 2 and done.stderr, arguments
    assert mxbackup.record() == ""


def test_a_list_from_a_file(mxbackup, tmp_path):
    listed = tmp_path / "friends.txt"
    listed.write_bytes(
        "\ufeffname,kind\r\n# friends\r\nsmithnet.com,DOMAIN\r\nmail.bar.org HOST # his\r\n\r\n"
        '.zone.org\r\n"q.org";"domain"\r\nplain.org\r\n'.encode()
    )
    done = mxbackup("add", "--from-file", listed)
    assert done.returncode == 0, done.stderr
    assert mxbackup("list", "--csv").stdout == (
        "name,kind\nsmithnet.com,DOMAIN\nmail.bar.org,HOST\nplain.org,HOST\nq.org,DOMAIN\nzone.org,DOMAIN\n"
    )
    assert mxbackup.events() == 1


def test_a_list_from_standard_input_and_names_beside_it(mxbackup):
    done = mxbackup("add", "-", "c.org", "--domain", input="a.org\nb.org,HOST\n")
    assert done.returncode == 0, done.stderr
    assert mxbackup("list", "--csv").stdout == "name,kind\na.org,DOMAIN\nb.org,HOST\nc.org,DOMAIN\n"


def test_what_list_writes_add_and_remove_read(mxbackup, tmp_path):
    mxbackup("add", "a.org", "b.a.org", "--no-update")
    mxbackup("add", "z.net", "--domain", "--no-update")
    listed = tmp_path / "rules.csv"
    listed.write_text(mxbackup("list", "--csv").stdout)
    record = mxbackup.record()
    assert mxbackup("remove", "--from-file", listed).returncode == 0
    assert mxbackup.record() == "service|name||status|enabled"
    assert mxbackup("add", "--from-file", listed).returncode == 0
    assert mxbackup.record() == record


def test_each_bad_line_is_named_with_its_file_line_and_reason(mxbackup, tmp_path):
    listed = tmp_path / "list"
    listed.write_text("good.org\nbad_name.org\nco.uk DOMAIN\na b c\nx.org PERHAPS\n.y.org HOST\nco.uk HOST\n")
    done = mxbackup("add", "--from-file", listed)
    assert done.returncode == 2
    for line, what in (2, "bad_name.org"), (3, "co.uk"), (4, "a b c"), (5, "x.org PERHAPS"), (6, ".y.org"):
        assert f"mxbackup: {listed} line {line}: {what}: " in done.stderr
    assert "line 7" not in done.stderr and "line 1:" not in done.stderr
    assert "5 of" in done.stderr and mxbackup.record() == ""


def test_two_lines_that_contradict_each_other_are_refused(mxbackup):
    done = mxbackup("add", "-", input="a.org HOST\na.org\nb.org\nb.org DOMAIN\nA.org. DOMAIN\n")
    assert done.returncode == 2
    assert "standard input line 5: A.org.: is a DOMAIN here and a HOST in line 1" in done.stderr
    assert mxbackup("add", "-", input="b.org\n.b.org\nb.org\n").returncode == 0
    assert mxbackup.record() == "service|name|b.org,1|status|enabled"


def test_a_long_list_shows_its_progress_on_a_terminal(mxbackup, tmp_path):
    (tmp_path / "list").write_text("".join(f"n{number}.example.org\n" for number in range(6000)))
    ours, theirs = pty.openpty()
    command = [ROOT / "usr/sbin/mxbackup", "add", "--from-file", tmp_path / "list"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=theirs, text=True, env=mxbackup.host.environment
    )
    assert (done.returncode, done.stdout) == (0, "6000 rules added\n")
    told = os.read(ours, 10000).decode()
    assert "6000 rules read" in told and "6000 rules checked" in told and "the record is saved" in told
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize("path", ["missing", "."])
def test_a_list_that_cannot_be_read(mxbackup, tmp_path, path):
    done = mxbackup("add", "--from-file", tmp_path / path)
    assert done.returncode == 2 and str(tmp_path / path) in done.stderr and "Traceback" not in done.stderr
    assert mxbackup.record() == ""


def test_bytes_that_are_no_utf_8_in_a_list_are_refused(mxbackup, tmp_path):
    (tmp_path / "list").write_bytes(b"caf\xe9.com\n\x00\xff\n")
    done = mxbackup("add", "--from-file", tmp_path / "list")
    assert done.returncode == 2 and "line 1" in done.stderr and "line 2" in done.stderr


def test_remove(mxbackup):
    mxbackup("add", "a.org", "b.org", "c.org", "--no-update")
    done = mxbackup("remove", "A.org.", "c.org")
    assert (done.returncode, done.stdout) == (
        0,
        "a.org: removed, it was a HOST\nc.org: removed, it was a HOST\n",
    )
    assert mxbackup.record() == "service|name|b.org,0|status|enabled" and mxbackup.events() == 1


def test_removing_what_is_not_there_exits_1(mxbackup):
    done = mxbackup("remove", "a.org")
    assert done.returncode == 1 and "a.org: there is no such rule" in done.stderr
    assert mxbackup.events() == 0
    mxbackup("add", "b.org", "--no-update")
    done = mxbackup("remove", "b.org", "a.org")
    assert done.returncode == 1 and done.stdout == "b.org: removed, it was a HOST\n"
    assert mxbackup.record() == "service|name||status|enabled" and mxbackup.events() == 1


def test_an_ignored_entry_is_kept_by_changes_and_can_be_removed(mxbackup):
    mxbackup.host.write(CONFIGURATION, "mxbackup=service|name|co.uk,1,Bad_One,0,a.org,0|status|enabled\n")
    assert mxbackup("add", "b.org", "--no-update").returncode == 0
    assert "co.uk,1" in mxbackup.record() and "Bad_One,0" in mxbackup.record()
    assert [entry["name"] for entry in json.loads(mxbackup("list", "--json").stdout)["ignored"]] == [
        "Bad_One",
        "co.uk",
    ]
    assert "2 entries of the record are ignored" in mxbackup("list").stderr
    assert mxbackup("remove", "co.uk", "Bad_One", "--no-update").returncode == 0
    assert mxbackup.record() == "service|name|a.org,0,b.org,0|status|enabled"


def test_enable_and_disable(mxbackup):
    mxbackup("add", "a.org", "--no-update")
    assert mxbackup("enable").stdout == "MX Backup is enabled already\n"
    assert mxbackup.events() == 0
    assert mxbackup("disable").stdout == "MX Backup is disabled\n"
    assert mxbackup.record() == "service|name|a.org,0|status|disabled" and mxbackup.events() == 1
    assert "disabled" in mxbackup("list").stderr
    assert "take effect after 'mxbackup enable'" in mxbackup("add", "b.org").stdout
    assert json.loads(mxbackup("enable", "--json").stdout)["changed"] is True
    assert mxbackup.record() == "service|name|a.org,0,b.org,0|status|enabled"


def test_reports_in_json(mxbackup):
    mxbackup("add", "a.org", "--no-update")
    told = json.loads(mxbackup("add", "a.org", "b.org", "--domain", "--json").stdout)
    assert told["added"] == [{"name": "b.org", "kind": "DOMAIN"}]
    assert told["changed_kind"] == [{"name": "a.org", "kind": "DOMAIN"}]
    assert told["changed"] is True and told["updated"] is True
    told = json.loads(mxbackup("remove", "x.org", "--json").stdout)
    assert told["missing"] == ["x.org"] and told["changed"] is False


def test_list_of_nothing(mxbackup):
    done = mxbackup("list")
    assert (done.returncode, done.stdout) == (0, "") and "no rule" in done.stderr
    assert json.loads(mxbackup("list", "--json").stdout) == {"enabled": False, "rules": [], "ignored": []}


def test_an_event_that_fails_leaves_the_record_saved_and_exits_1(mxbackup):
    mxbackup.host.write("/etc/e-smith/events/mxbackup-update/S10fail", "#!/bin/sh\nexit 3\n", 0o755)
    done = mxbackup("add", "a.org")
    assert done.returncode == 1 and done.stdout == "a.org: added as a HOST\n"
    assert "the record is saved" in done.stderr and "signal-event mxbackup-update" in done.stderr
    assert mxbackup.record() == "service|name|a.org,0|status|enabled"


@pytest.mark.parametrize("handler, reason", [
    ("echo ERROR: the disk is full; printf 'ERROR: \\033[2Jtwice\\n'; echo more; exit 3",
     "S10fail failed (exit status 3): ERROR: the disk is full; ERROR: \x1b[2Jtwice"),
    ("echo once; echo why >&2; echo; exit 1", "S10fail failed (exit status 1): why"),
    ("kill -9 $$", "S10fail failed (killed by signal 9)"),
])
def test_an_event_that_fails_gives_its_handlers_own_reason(mxbackup, handler, reason):
    mxbackup.host.write("/etc/e-smith/events/mxbackup-update/S10fail", f"#!/bin/sh\n{handler}\n", 0o755)
    shown = reason.replace("\x1b", "\\x1b")
    assert f"were not all brought up to date: {shown}\n" in mxbackup("add", "a.org").stderr
    assert json.loads(mxbackup("add", "b.org", "--json").stdout)["failure"] == reason


def test_a_template_that_cannot_be_expanded_is_the_reason_that_is_given(mxbackup):
    mxbackup.host.write("/etc/e-smith/events/mxbackup-update/templates2expand/out/file", "")
    mxbackup.host.write("/etc/e-smith/templates/out/file/10", "{# jinja2 #}\n")
    said = mxbackup("add", "a.org").stderr
    assert ("S05generic_template_expand failed (exit status 1): ERROR: Could not expand /out/file: its folder is not"
            " there; make it first; ERROR: not expanded, and as old as they were: /out/file\n") in said


def test_an_event_that_is_not_there_is_no_traceback(host):
    (host / "/etc/e-smith/events/mxbackup-update").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(host / "/etc/e-smith/events/mxbackup-update")
    done = host.run("mxbackup", "add", "a.org")
    assert done.returncode == 1 and "the record is saved" in done.stderr and "Traceback" not in done.stderr


def test_help_of_every_command_has_examples(sandbox):
    overview = sandbox.run("mxbackup", "--help")
    assert overview.returncode == 0
    names = [line.split()[0] for line in overview.stdout.splitlines() if line.startswith("  ")]
    assert {"add", "remove", "list", "enable", "disable"} <= set(names)
    for name in names:
        told = sandbox.run("mxbackup", "help", name)
        assert told.returncode == 0 and f"usage: mxbackup {name}" in told.stdout
        assert f"\n  mxbackup {name}" in told.stdout.partition("\nexamples:")[2]
        assert told.stdout == sandbox.run("mxbackup", name, "--help").stdout
    assert sandbox.run("mxbackup").stdout == overview.stdout
    assert sandbox.run("mxbackup", "--version").stdout.startswith("mxbackup 1.")


def test_it_runs_as_a_module_from_its_own_folder(mxbackup):
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "mxbackup", "add", "a.org", "--no-update"],
        cwd=ROOT / "usr/lib/mxbackup",
        env={**mxbackup.host.environment, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert mxbackup.record() == "service|name|a.org,0|status|enabled"


def test_output_that_cannot_be_written(mxbackup):
    mxbackup("add", "a.org", "--no-update")
    for command in ["list"], ["help", "list"], ["help"]:
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [ROOT / "usr/sbin/mxbackup", *command],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                env=mxbackup.host.environment,
            )
        assert (done.returncode, done.stderr) == (1, "mxbackup: No space left on device\n")


def test_two_at_once_keep_both_rules(mxbackup):
    started = [
        subprocess.Popen(
            [ROOT / "usr/sbin/mxbackup", "add", f"n{number}.org", "--no-update"],
            env=mxbackup.host.environment,
            stdout=subprocess.DEVNULL,
        )
        for number in range(8)
    ]
    assert [process.wait(30) for process in started] == [0] * 8
    assert mxbackup("list", "--names").stdout.split() == [f"n{number}.org" for number in range(8)]


def test_a_dry_run_writes_nothing(mxbackup):
    mxbackup("add", "a.org", "--no-update")
    before = mxbackup.host.read(CONFIGURATION)
    for arguments in ("add", "b.org"), ("remove", "a.org"), ("disable",):
        done = mxbackup(*arguments, "--dry-run")
        assert done.returncode == 0, done.stderr
        assert (
            "-mxbackup=service|name|a.org,0|status|enabled\n" in done.stdout
            and "Nothing was written" in done.stdout
        )
        assert mxbackup.host.read(CONFIGURATION) == before and mxbackup.events() == 0
    assert "+mxbackup=service|name|a.org,0,b.org,0|status|enabled\n" in mxbackup("add", "b.org", "-n").stdout


def test_where_no_mail_server_reads_the_rules_an_add_says_so_and_what_to_install(sandbox):
    sandbox.plant()
    sandbox.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=sme\n")
    done = sandbox.run("mxbackup", "add", "smithnet.com", "--domain")
    assert done.returncode == 1
    assert "no mail server here reads the rules" in done.stderr and "install Postfix" in done.stderr
