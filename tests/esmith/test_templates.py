"""expand-template: what it refuses, what it keeps, what it never loses."""

import os
import random
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from sandbox import CHECKOUT, ROOT, Sandbox

from esmith import atomicfile, templates

EXPAND = str(ROOT / "sbin/e-smith/expand-template")
HEAD = "{# jinja2 #}\n"


@pytest.fixture
def tree(sandbox):
    """A sandbox with a configuration database, and a template /out/file whose begin is empty."""
    sandbox.write(
        "/home/e-smith/db/configuration",
        "SystemName=sme\nDomainName=doecom.net\n" "mxbackup=service|name|a.org,1|status|enabled\n",
    )
    sandbox.write("/etc/e-smith/templates/out/file/template-begin", "")
    (sandbox / "/out").mkdir()
    return sandbox


def fragment(tree, text, name="10a"):
    return tree.write("/etc/e-smith/templates/out/file/" + name, text)


def expand(tree, *arguments, **environment):
    return tree.run("expand-template", *arguments or ("/out/file",), **environment)


def saves(tree):
    return sorted(name for name in os.listdir(tree / "/out") if "esmith" in name)


# What a fragment sees.


def test_records_are_variables(tree):
    fragment(
        tree,
        HEAD
        + "{{ SystemName }}.{{ DomainName }} {{ mxbackup }} {{ mxbackup.status }} {{ mxbackup['name'] }}\n"
        "[{{ nosuch }}{{ nosuch.prop }}{{ mxbackup.nosuch }}{% for x in nosuch %}x{% endfor %}]\n"
        "{% if nosuch or mxbackup.nosuch %}never{% endif %}{{ DB.get('mxbackup').key }} "
        "{{ 'mxbackup' in DB }}\n",
    )
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "sme.doecom.net service enabled a.org,1\n[]\nmxbackup True\n"


def test_other_databases_and_modules(tree):
    tree.write("/home/e-smith/db/domains", "b.org=domain\na.org=domain|Content|x\nc.org=other\n")
    fragment(
        tree,
        HEAD + "{% for d in open_database('domains').records('domain') %}\n{{ d.key }}\n{% endfor %}\n"
        "{{ use('os.path').join('a', 'b') }}\n",
    )
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "a.org\nb.org\na/b\n"


def test_any_bytes_pass(tree):
    value = bytes(b for b in range(1, 256) if b not in b"\n|\\")
    tree.write("/home/e-smith/db/configuration", b"x=t|p|." + value + b".\n")
    fragment(tree, HEAD.encode() + b"\xe9\xff {{ x.p }}\n")
    fragment(tree, b"plain \xe9 \\n\r\n\0\n", "20b")
    assert expand(tree).returncode == 0
    assert (tree / "/out/file").read_bytes() == b"\xe9\xff ." + value + b".\nplain \xe9 \\n\r\n\0\n"


@pytest.mark.parametrize(
    "value", ["{{ 7*7 }}", "{% raw %}", "{# x #}", "{", "}", "{ 7*7 }", "$(id)", "`id`", "%s", "<&>"]
)
def test_values_are_data(tree, value):
    tree.write("/home/e-smith/db/configuration", f"x={value}|p|{value}\n{value}=y\n")
    fragment(tree, HEAD + "{{ x }} {{ x.p }} {% for r in DB.records() %}{{ r.key }},{% endfor %}.\n")
    assert expand(tree).returncode == 0
    assert (
        tree.read("/out/file")
        == f"{value} {value} " + "".join(k + "," for k in sorted(["x", value])) + ".\n"
    )


# What is refused: a message with file and line, and the output as it was.

BAD = {
    "a Perl fragment": ("ok\n{ $OUT = 1 }\n", "line 2: this is a Perl fragment"),
    "a lone closing brace": ("}\n", "line 1: this is a Perl fragment"),
    "the mark on the second line": ("\n{# jinja2 #}\n", "line 2: this is a Perl fragment"),
    "broken Jinja2": (HEAD + "\n{% if %}\n", "line 3: "),
    "an unclosed block": (HEAD + "{% if 1 %}\n", "line 2: Unexpected end of template"),
    "an undefined filter": (HEAD + "a\n{{ SystemName|nosuch }}\n", "line 3: No filter named 'nosuch'"),
    "an undefined filter in a branch": (
        HEAD + "a\n{% if 1 %}{{ SystemName|nosuch }}{% endif %}\n",
        "line 3: ",
    ),
    "an undefined test": (HEAD + "{{ 1 is nosuch }}\n", "line 2: No test named 'nosuch'"),
    "a call of what is not there": (HEAD + "\n\n{{ nosuch('x') }}\n", "line 4: 'nosuch' is not defined"),
    "a missing module": (
        HEAD + "{{ use('no.such.module').x }}\n",
        "line 2: ModuleNotFoundError: No module named 'no'",
    ),
    "an error in a module": (HEAD + "{{ use('json').loads('{') }}\n", "line 2: JSONDecodeError: "),
    "an exit in a module": (HEAD + "{{ use('sys').exit(3) }}\n", "line 2: SystemExit: 3"),
    "an include": (HEAD + "{% include 'x' %}\n", "line 2: "),
    "a division by zero": (HEAD + "{{ 1 / (SystemName == 'x') }}\n", "line 2: ZeroDivisionError"),
    "endless recursion": (HEAD + "{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}\n", "RecursionError"),
    "a newline in a property": (
        HEAD + "\n{{ two.p }}\n",
        "line 3: the database value two: p holds a newline",
    ),
    "a newline through a filter": (
        HEAD + "{{ two.p|upper }}\n",
        "line 2: the database value two: p holds a newline",
    ),
    "a newline by get": (
        HEAD + "{{ DB.get('two').get('p') }}\n",
        "line 2: the database value two: p holds a newline",
    ),
    "a newline by item": (
        HEAD + "{{ DB['two']['p'] }}\n",
        "line 2: the database value two: p holds a newline",
    ),
    "a newline among the props": (
        HEAD + "{{ DB['two'].props }}\n",
        "line 2: the database value two: p holds a newline",
    ),
    "a newline in a type": (HEAD + "{{ one }}\n", "line 2: the database value one: type holds a newline"),
    "a newline in a compared type": (
        HEAD + "{% if one == 'x' %}{% endif %}\n",
        "line 2: the database value one: type",
    ),
    "a newline in a value": (
        HEAD + "{{ DB.value('one') }}\n",
        "line 2: the database value one: type holds a newline",
    ),
    "a newline in a loop": (
        HEAD + "{% for r in DB.records('t') %}{{ r.p }}{% endfor %}\n",
        "line 2: the database value two",
    ),
    "a loop without end": (
        HEAD + "a\n{% for i in use('itertools').count() %}{% endfor %}\n",
        "line 3: it takes longer than",
    ),
    "a sleep without end": (HEAD + "{{ use('time').sleep(1000) }}\n", "line 2: it takes longer than"),
    "an output without end": (
        HEAD + "{% for i in use('itertools').count() %}{{ big.p }}{% endfor %}\n",
        "line 2: it gives more than 64 MiB",
    ),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_refused(tree, text, message):
    tree.write(
        "/home/e-smith/db/configuration",
        "SystemName=sme\none=a\\nb\ntwo=t|p|a\\nb\nbig=x|p|" + "x" * (1 << 20) + "\n",
    )
    path = fragment(tree, "good\n", "05good") and fragment(tree, text)
    tree.write("/out/file", "kept\n")
    seconds = "3" if "longer" in message else "30"
    result = expand(tree, ESMITH_FRAGMENT_SECONDS=seconds)
    assert result.returncode == 1
    assert str(path) in result.stderr and message in result.stderr
    assert "Traceback" not in result.stderr and result.stderr.count("\n") == 1
    assert tree.read("/out/file") == "kept\n"
    assert os.listdir(tree / "/out") == ["file"]
    if "longer" not in message:
        again = expand(tree)
        assert (again.returncode, again.stderr) == (1, result.stderr)


def test_what_a_message_quotes_cannot_command_a_terminal(tree):
    tree.write("/home/e-smith/db/configuration", b"x=t|p|\x1b[2J\xff\x07\n")
    fragment(tree, HEAD + "{{ use('builtins').int(x.p) }}\n")
    result = expand(tree)
    assert "line 2: ValueError: " in result.stderr
    assert result.stderr[:-1].isprintable()


def test_lines_of_a_value(tree):
    tree.write("/home/e-smith/db/configuration", "b=t|p|one\\ntwo\n")
    fragment(tree, HEAD + "{% for line in b.lines('p') %}\n> {{ line }}\n{% endfor %}\n")
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "> one\n> two\n"


def test_a_fragment_that_is_no_file_is_passed_over_with_a_warning(tree):
    (tree / "/etc/e-smith/templates/out/file/folder").mkdir()
    link = tree / "/etc/e-smith/templates/out/file/20gone"
    link.symlink_to("../nowhere")
    fragment(tree, "x\n")
    result = expand(tree)
    assert (result.returncode, result.stderr) == (0, f"{link}: skipped, it is no file\n")
    assert tree.read("/out/file") == "x\n"


def test_a_special_file_is_no_output(tree):
    fragment(tree, "x\n")
    os.mkfifo(tree / "/out/file")
    result = expand(tree)
    assert result.returncode == 1 and "/out/file: it is no regular file" in result.stderr
    assert stat.S_ISFIFO(os.lstat(tree / "/out/file").st_mode)


@pytest.mark.parametrize("path", ["/out/../etc/passwd", "/", "", "/out/x\0y"][:3])
def test_a_path_that_is_none(tree, path):
    result = expand(tree, path)
    assert result.returncode == 1 and "is no path of a file to expand" in result.stderr


def test_wrong_use(tree):
    assert expand(tree, "--nosuch", "/out/file").returncode == 2
    assert expand(tree, "/out/file", "/out/other").returncode == 2
    assert expand(tree, "--help").returncode == 0


@pytest.mark.needs("root")
def test_unreadable_fragment_and_unwritable_places():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        sandbox = Sandbox(folder)
        path = sandbox.write("/etc/e-smith/templates/out/file/10a", "secret\n", mode=0o600)
        sandbox.write("/out/file", "kept\n")
        # The checkout itself may be where that user does not get to.
        program = shutil.copytree(ROOT, sandbox / "root", symlinks=True) / "sbin/e-smith/expand-template"

        def run():
            return subprocess.run(
                ["/usr/bin/python3", "-IS", str(program), "/out/file"],
                env=sandbox.environment,
                capture_output=True,
                text=True,
                user=65534,
                group=65534,
                timeout=60,
            )

        result = run()
        assert result.returncode == 1 and f"{path}: cannot be read: Permission denied" in result.stderr
        path.chmod(0o644)
        result = run()
        assert result.returncode == 1 and "Could not expand /out/file: " in result.stderr
        assert "Permission denied; it is as it was" in result.stderr
        assert sandbox.read("/out/file") == "kept\n" and os.listdir(sandbox / "/out") == ["file"]
        # Where he may write, an ordinary user can expand, though nothing of it can be recorded.
        (sandbox / "/out").chmod(0o777)
        assert run().returncode == 0
        assert (
            sandbox.read("/out/file").endswith("secret\n")
            and sandbox.read("/out/file.esmith-save") == "kept\n"
        )


# Metadata.

METADATA = {
    "Perl code": ("PERMS=oct('644')\n", "line 1: PERMS=oct('644'): it is no number and no quoted text"),
    "an unknown filter": ("# why\nFILTER=sub { uc }\n", "line 2: FILTER: only the remover of blank lines"),
    "a parameter for Perl only": ("MORE_DATA={}\n", "line 1: MORE_DATA is for the Perl engine only"),
    "a mode that is none": ('PERMS="rw"\n', "it is no mode"),
    "a path upwards": ("OUTPUT_FILENAME='/out/../etc/shadow'\n", "it is no path of a file"),
    "a line that is none": ("PERMS\n", "line 1: not NAME=VALUE"),
    "a variable": ('UID="$user"\n', "it is no number and no quoted text"),
}


@pytest.mark.parametrize("text, message", METADATA.values(), ids=METADATA)
def test_metadata_refused_by_name(tree, text, message):
    fragment(tree, "x\n")
    path = tree.write("/etc/e-smith/templates.metadata/out/file", text)
    tree.write("/out/file", "kept\n")
    result = expand(tree)
    assert result.returncode == 1 and str(path) in result.stderr and message in result.stderr
    assert tree.read("/out/file") == "kept\n"


@pytest.mark.parametrize(
    "literal, mode",
    [
        ("0640", 0o640),
        ("416", 0o640),
        ("0x1A0", 0o640),
        ("'0640'", 0o640),
        ('"416";', 0o640),
        (" 0640 ", 0o640),
    ],
)
def test_metadata_literals(tree, literal, mode):
    fragment(tree, "x\n")
    tree.write("/etc/e-smith/templates.metadata/out/file", f"PERMS={literal}\n")
    assert expand(tree).returncode == 0
    assert stat.S_IMODE(os.stat(tree / "/out/file").st_mode) == mode


def test_delete_keeps_an_edited_file_as_a_save(tree):
    fragment(tree, "x\n")
    expand(tree)
    tree.write("/etc/e-smith/templates.metadata/out/file", "DELETE=1\n")
    tree.write("/out/file", "mine\n")
    result = expand(tree, "--diff", "/out/file")
    assert result.returncode == 1 and "-mine" in result.stdout and tree.read("/out/file") == "mine\n"
    assert expand(tree).returncode == 0
    assert (
        os.listdir(tree / "/out") == ["file.esmith-save"] and tree.read("/out/file.esmith-save") == "mine\n"
    )
    assert expand(tree).returncode == 0
    assert expand(tree, "--diff", "/out/file").returncode == 0


# Nothing is lost.


def test_own_output_is_replaced_without_a_save(tree):
    for text in ("one\n", "two\n", "three\n", "one\n"):
        fragment(tree, text)
        result = expand(tree)
        assert (result.returncode, result.stderr) == (0, "")
        assert tree.read("/out/file") == text and saves(tree) == []


def test_a_file_that_is_not_the_engines_is_saved(tree):
    fragment(tree, "new\n")
    old = tree.write("/out/file", "mine\n", mode=0o600)
    inode = os.stat(old).st_ino
    result = expand(tree)
    assert result.returncode == 0 and "kept as /out/file.esmith-save" in result.stderr
    assert tree.read("/out/file.esmith-save") == "mine\n"
    found = os.stat(tree / "/out/file.esmith-save")
    assert stat.S_IMODE(found.st_mode) == 0o600 and found.st_ino == inode and found.st_nlink == 1


def test_each_edit_is_kept_once_and_the_newest_has_the_name(tree):
    fragment(tree, "engine\n")
    expand(tree)
    for edit in ("first\n", "second\n", "second\n"):
        tree.write("/out/file", edit)
        assert expand(tree).returncode == 0
        before = os.stat(tree / "/out/file.esmith-save").st_ino
        assert tree.read("/out/file.esmith-save") == edit
    assert saves(tree) == ["file.esmith-save", "file.esmith-save.1"]
    assert tree.read("/out/file.esmith-save.1") == "first\n"
    assert os.stat(tree / "/out/file.esmith-save").st_ino == before
    # Whoever edits the file to what the engine would write has lost nothing.
    tree.write("/out/file", "engine\n")
    assert expand(tree).returncode == 0 and len(saves(tree)) == 2


def test_the_oldest_of_many_saves_goes_with_a_warning(tree):
    fragment(tree, "engine\n")
    for number in range(11):
        tree.write("/out/file", f"{number}\n")
        result = expand(tree)
        assert ("the oldest save" in result.stderr) == (number > 9)
    assert len(saves(tree)) == 10 and tree.read("/out/file.esmith-save.9") == "1\n"


def test_a_header_does_not_make_a_file_the_engines(tree):
    fragment(tree, "engine\n")
    expand(tree)
    fragment(tree, "engine 2\n")
    with open(tree / "/out/file", "a") as output:
        output.write("allowed.example.org\n")
    assert expand(tree).returncode == 0
    assert tree.read("/out/file.esmith-save") == "engine\nallowed.example.org\n"


def test_a_lost_or_damaged_record_costs_a_save_and_no_content(tree):
    fragment(tree, "one\n")
    expand(tree)
    folder = tree / "/var/lib/e-smith-python/written"
    (record,) = folder.iterdir()
    for text in "two\n", "two\n", "one\n":
        fragment(tree, text)
        expand(tree)
        checked = subprocess.run(["sha256sum", "-c", str(record)], capture_output=True, text=True)
        assert checked.returncode == 0 and checked.stdout.count("\n") == 1
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    for damage in (b"", b"\xff" * 300, b"0" * 64):
        fragment(tree, f"next {damage[:1]}\n")
        record.write_bytes(damage)
        assert expand(tree).returncode == 0
        fragment(tree, "one\n")
        assert expand(tree).returncode == 0
    assert "file.esmith-save" in saves(tree)


def test_attributes_stay(tree):
    output = tree.write("/out/file", "old\n")
    access_list = (
        b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x06\0\x0a\0\0\0\x04\0\x04\0\xff\xff\xff\xff"
        b"\x10\0\x06\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff"
    )
    wanted = {
        "user.test": b"x",
        "security.selinux": b"system_u:object_r:etc_t:s0\0",
        "system.posix_acl_access": access_list,
    }
    for name, value in dict(wanted).items():
        try:
            os.setxattr(output, name, value)
        except OSError:
            del wanted[name]
    assert wanted
    mode = os.stat(output).st_mode
    fragment(tree, "new\n")
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "new\n" and os.stat(output).st_mode == mode
    assert {name: os.getxattr(output, name) for name in wanted} == wanted


def test_a_link_is_replaced_by_a_file(tree):
    tree.write("/elsewhere", "theirs\n")
    (tree / "/out/file").symlink_to(tree / "/elsewhere")
    fragment(tree, "new\n")
    assert expand(tree).returncode == 0
    assert not (tree / "/out/file").is_symlink() and tree.read("/out/file") == "new\n"
    tree.write("/elsewhere", "changed later\n")
    assert tree.read("/out/file.esmith-save") == "theirs\n"


def test_an_edit_at_the_last_moment_is_saved(tree, monkeypatch):
    class Slow(atomicfile.Replacement):
        edits = ["at the last moment\n", "and again\n"]

        def __enter__(self):
            if self.edits:
                os.rename(tree.write("/edited", self.edits.pop(0)), tree / "/out/file")
            return super().__enter__()

    monkeypatch.setattr(atomicfile, "Replacement", Slow)
    monkeypatch.setenv("ESMITH_ROOT", str(tree.path))
    fragment(tree, "new\n")
    tree.write("/out/file", "mine\n")
    assert templates.expand("/out/file")
    assert tree.read("/out/file") == "new\n"
    kept = [tree.read("/out/" + name) for name in saves(tree)]
    assert kept == ["and again\n", "at the last moment\n", "mine\n"]


# Dry runs.


@pytest.mark.parametrize("option", ["--diff", "--dry-run"])
def test_dry_run_shows_and_writes_nothing(tree, option):
    fragment(tree, HEAD + "{{ SystemName }}\n")
    tree.write("/out/file", "old\n")
    before = everything(tree)
    result = expand(tree, option, "/out/file")
    assert result.returncode == 1 and result.stderr == ""
    assert result.stdout == "--- /out/file\n+++ /out/file\n@@ -1 +1 @@\n-old\n+sme\n"
    assert everything(tree) == before
    expand(tree)
    result = expand(tree, option, "/out/file")
    assert (result.returncode, result.stdout) == (0, "")


def test_diff_tells_a_missing_last_newline(tree):
    fragment(tree, "a")
    tree.write("/out/file", "a\n")
    result = expand(tree, "--diff", "/out/file")
    assert result.returncode == 1 and result.stdout.endswith("-a\n+a\n\\ No newline at end of file\n")


def everything(tree):
    return sorted(
        (os.path.join(folder, name), os.lstat(os.path.join(folder, name)).st_mtime_ns)
        for folder, folders, files in os.walk(tree.path)
        for name in folders + files
    )


# ADOPT: a file that was there before the engine.


def adopting(tree, old):
    tree.write("/etc/e-smith/templates.metadata/out/file", 'ADOPT="90own"\n')
    fragment(tree, "engine.org\n")
    tree.write("/out/file", old)


CUSTOM = "/etc/e-smith/templates-custom/out/file/90own"


def test_adopts_the_lines_that_were_there(tree):
    adopting(tree, "theirs.org\nengine.org\n.theirs.org\n")
    before = everything(tree)
    result = expand(tree, "--diff", "/out/file")
    assert result.returncode == 1 and everything(tree) == before
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "engine.org\ntheirs.org\n.theirs.org\n"
    assert tree.read(CUSTOM) == "theirs.org\n.theirs.org\n"
    assert tree.read("/out/file.esmith-save") == "theirs.org\nengine.org\n.theirs.org\n"
    # Only once: what is edited later is saved, not adopted.
    tree.write("/out/file", "later.org\n")
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "engine.org\ntheirs.org\n.theirs.org\n"


def test_adopts_a_line_that_a_fragment_gives_for_now(tree):
    adopting(tree, "theirs.org\nfriend.org\n")
    fragment(tree, "# the record's\nfriend.org\n.friend.org\n", "20b")
    assert expand(tree).returncode == 0
    assert tree.read(CUSTOM) == "theirs.org\nfriend.org\n"
    fragment(tree, "", "20b")
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "engine.org\ntheirs.org\nfriend.org\n"


def test_adopts_nothing_that_a_fragment_gives_as_it_is(tree):
    # The record of what the engine wrote is lost: it is the engine's own for all that.
    adopting(tree, "engine.org\n# the record's\nfriend.org\n.friend.org\nlater.org\n")
    fragment(tree, "# the record's\nfriend.org\n.friend.org\n", "20b")
    assert expand(tree).returncode == 0
    assert tree.read(CUSTOM) == "later.org\n"


def test_adopted_braces_are_copied(tree):
    adopting(tree, "a{b}c\n{{ 7*7 }}\n{% raw %}\n{# x #}\nd")
    assert expand(tree).returncode == 0
    text = "engine.org\na{b}c\n{{ 7*7 }}\n{% raw %}\n{# x #}\nd\n"
    assert tree.read("/out/file") == text
    assert expand(tree).returncode == 0 and tree.read("/out/file") == text


def test_adopts_nothing_over_an_administrators_fragment(tree):
    adopting(tree, "theirs.org\n")
    tree.write(CUSTOM, "mine.org\n")
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "engine.org\nmine.org\n" and tree.read(CUSTOM) == "mine.org\n"


def test_adopts_also_where_the_output_is_right_already(tree):
    adopting(tree, "engine.org\ntheirs.org\n")
    for _ in range(2):
        assert expand(tree).returncode == 0
        assert tree.read("/out/file") == "engine.org\ntheirs.org\n" and tree.read(CUSTOM) == "theirs.org\n"
    assert saves(tree) == []


def test_adopts_nothing_where_nothing_is_missing(tree):
    adopting(tree, "engine.org\n")
    assert expand(tree).returncode == 0
    assert not os.path.exists(tree / CUSTOM) and saves(tree) == []


def test_what_the_engine_could_not_recognise_later_is_not_written(tree):
    adopting(tree, "theirs.org\n")
    (tree / "/out/file").unlink()
    blocking = tree.write("/var/lib/e-smith-python", "a file in the folder's place\n")
    result = expand(tree)
    assert result.returncode == 1 and "/var/lib/e-smith-python" in result.stderr
    assert "Traceback" not in result.stderr and os.listdir(tree / "/out") == []
    blocking.unlink()
    assert expand(tree).returncode == 0
    fragment(tree, "another.org\n")
    assert expand(tree).returncode == 0
    assert tree.read("/out/file") == "another.org\n" and not os.path.exists(tree / CUSTOM)


# Two at once, and crashes.


def test_two_at_once_end_with_the_newest_data(tree):
    fragment(tree, HEAD + "{% for n in (x.list ~ '').split(',') %}\n{{ n }} {{ x.now }}\n{% endfor %}\n")
    numbers = ",".join(map(str, range(3000)))
    for now in range(6):
        running = []
        for step in range(4):
            tree.write("/home/e-smith/db/new", f"x=t|list|{numbers}|now|{now}.{step}\n")
            os.rename(tree / "/home/e-smith/db/new", tree / "/home/e-smith/db/configuration")
            running.append(subprocess.Popen([EXPAND, "/out/file"], env=tree.environment))
        assert [process.wait(60) for process in running] == [0] * 4
        assert {line.split()[1] for line in tree.read("/out/file").splitlines()} == {f"{now}.3"}
    assert saves(tree) == []


def test_killed_at_random_moments_the_output_is_whole(tree):
    fragment(
        tree, HEAD + "{% for n in x.list.split(',') %}\n{{ n }}.example.org {{ x.now }}\n{% endfor %}\n"
    )
    numbers = ",".join(map(str, range(100000)))
    expected = {}

    def generation(now):
        tree.write("/home/e-smith/db/new", f"x=t|list|{numbers}|now|{now}\n")
        os.rename(tree / "/home/e-smith/db/new", tree / "/home/e-smith/db/configuration")
        expected[now] = "".join(f"{n}.example.org {now}\n" for n in range(100000))

    generation(0)
    assert expand(tree).returncode == 0
    generation(1)
    start = time.monotonic()
    assert expand(tree).returncode == 0
    longest = time.monotonic() - start
    seen = {1}
    killed = 0
    for round_ in range(300):
        generation(round_ % 2)
        process = subprocess.Popen([EXPAND, "/out/file"], env=tree.environment)
        time.sleep(random.uniform(0, longest))
        process.send_signal(signal.SIGKILL)
        ended = process.wait(60)
        killed += ended != 0
        # However busy the machine is: some are killed, and some just about finish.
        longest *= 1.04 if ended else 0.92
        output = tree.read("/out/file")
        assert output in (expected[0], expected[1])
        seen.add(int(output[output.index(" ") + 1]))
    assert killed > 100 and seen == {0, 1}
    generation(2)
    assert expand(tree).returncode == 0
    # No temporary file is left, and none of its own outputs was taken for an edit.
    assert tree.read("/out/file") == expected[2] and os.listdir(tree / "/out") == ["file"]


# Odd surroundings.


def test_a_failed_dry_run_is_told_from_a_difference(tree):
    fragment(tree, "{ }\n")
    result = expand(tree, "--diff", "/out/file")
    assert result.returncode == 2 and result.stderr.startswith("ERROR: ") and result.stdout == ""


def test_a_reader_that_goes_away(tree):
    fragment(tree, "".join(f"{number}\n" for number in range(100_000)))
    result = subprocess.run(
        ["/bin/sh", "-c", f"{EXPAND} --diff /out/file | head -n 1"],
        env=tree.environment,
        capture_output=True,
        text=True,
    )
    assert result.stdout == "--- /dev/null\n" and result.stderr == ""


def test_left_overs_of_rpm_that_are_folders_stay(tree):
    fragment(tree, "x\n")
    tree.write("/out/file", "old\n")
    (tree / "/out/file.rpmsave").mkdir()
    assert expand(tree).returncode == 0 and tree.read("/out/file") == "x\n"


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "x", ""])
def test_a_limit_that_is_none_is_passed_over(tree, seconds):
    fragment(tree, HEAD + "{{ SystemName }}\n")
    assert expand(tree, ESMITH_FRAGMENT_SECONDS=seconds).returncode == 0


def test_a_save_in_whose_place_something_else_lies(tree):
    fragment(tree, "x\n")
    tree.write("/out/file", "mine\n")
    for number, make in enumerate((Path.mkdir, lambda path: path.symlink_to("nowhere"), os.mkfifo), 1):
        (tree / "/out/file.esmith-save").unlink(missing_ok=True)
        make(tree / "/out/file.esmith-save")
        assert expand(tree).returncode == 0
        assert tree.read("/out/file.esmith-save") == "mine\n" and not (tree / "/out/nowhere").exists()
        assert os.path.lexists(tree / "/out/file.esmith-save.1") and len(saves(tree)) == 1 + number
        tree.write("/out/file", "mine\n")


@pytest.mark.needs("mounts")
def test_a_full_disk_leaves_everything_as_it_was(tree):
    fragment(tree, "x" * 3_000_000)
    mount = subprocess.run(
        [str(CHECKOUT / "packaging/apart"), "sh", "-c",
         f"mount -t tmpfs -o size=1m none {tree / '/out'} && echo old > {tree / '/out/file'} && "
         f"{EXPAND} /out/file; echo $?; cd {tree / '/out'}; ls -A; cat file"],
        env=tree.environment, capture_output=True, text=True, timeout=60,
    )
    assert "No space left on device; it is as it was" in mount.stderr
    assert mount.stdout == "1\nfile\nfile.esmith-save\nold\n"
