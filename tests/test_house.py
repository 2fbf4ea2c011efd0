"""The rules of the house that a machine can hold: rooms, sizes, launchers, one version, a help for each target."""

import ast
import os
import re
import subprocess
import sys

import pytest
import rooms
from rooms import LIBRARY, MAY_IMPORT
from sandbox import CHECKOUT, ROOT

# _sha256 is Python's up to 3.11.
STANDARD_LIBRARY = {*sys.stdlib_module_names, "_sha256"}

# A module that is longer is two in one, unless the reason here says otherwise.
LONGEST = 350  # lines
LONGER = {
    "esmith/compiled.py": "one decision: whether kept code may run, and what stands in for Jinja2 while it does",
    "esmith/database.py": "one class with all that a transaction on one file needs",
    "esmith/templates.py": "one path from the fragments to the replaced output",
}

EARLY = {
    "esmith/templates.py": {"_to_stderr": "the public functions have it as a default"},
}


def launchers():
    """Every installed program of ours that is Python."""
    for path in sorted(ROOT.rglob("*")):
        if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK):
            with open(path, "rb") as program:
                if b"python" in program.readline():
                    yield path


def names(path):
    """The top-level names (set of str) of all modules that the file `path` imports."""
    return {name.partition(".")[0] for name in rooms.imported(path)}


def test_every_module_is_in_a_room_of_the_table_and_every_room_is_there():
    assert {room for room, _ in rooms.modules()} == set(MAY_IMPORT)


def test_the_table_has_arrows_downwards_only():
    order = list(MAY_IMPORT)
    for room, below in MAY_IMPORT.items():
        assert all(order.index(other) < order.index(room) for other in below), room


def test_each_room_imports_only_what_the_table_lets_it():
    wrong = {f"{room} -> {other}": sorted(paths) for (room, other), paths in rooms.arrows().items()
             if other not in MAY_IMPORT[room]}
    assert wrong == {}


def test_the_names_that_fragments_use_are_for_fragments_alone():
    users = {path for (_, other), paths in rooms.arrows().items() if other in rooms.PUBLISHED for path in paths}
    assert users == set()


def test_the_picture_in_the_architecture_is_that_of_the_code():
    assert rooms.drawn()[1] == rooms.picture(), "run: make picture"


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("__init__.py")),
                         ids=lambda path: str(path.parent.relative_to(LIBRARY)))
def test_each_folder_says_what_it_knows_and_what_it_does_not(path):
    text = ast.get_docstring(ast.parse(path.read_bytes())) or ""
    assert len(text.split(".")[0]) > 20, f"{path} does not say what it knows"
    assert re.search(r"\b(nothing|nor|not)\b", text), f"{path} does not say what it does not know"


def test_no_module_is_long_without_a_reason():
    long = {}
    for path in LIBRARY.rglob("*.py"):
        lines = len(path.read_bytes().splitlines())
        if lines > LONGEST:
            long[str(path.relative_to(LIBRARY))] = lines
    assert {name: lines for name, lines in long.items() if name not in LONGER} == {}
    assert set(LONGER) <= set(long), "a reason that is not needed any more"


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda path: str(path.relative_to(LIBRARY)))
def test_a_module_has_its_imports_first_then_what_is_public_then_what_is_private(path):
    found = []
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.append((0, f"import in line {node.lineno}"))
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.append((2 if node.name.startswith("_") else 1, node.name))
    # What a definition needs when it is read has to stand above it.
    early = EARLY.get(str(path.relative_to(LIBRARY)), {})
    assert set(early) <= {name for _, name in found}, "an exception that is not needed any more"
    found = [place for place in found if place[1] not in early]
    assert [name for _, name in found] == [name for _, name in sorted(found, key=lambda place: place[0])]


def test_the_engine_needs_only_the_standard_library():
    foreign = {
        (path.name, name)
        for path in LIBRARY.glob("esmith/**/*.py")
        for name in names(path)
        if name not in STANDARD_LIBRARY | {"esmith"}
    }
    assert {name for _, name in foreign} <= {"jinja2"}, foreign


def test_the_rules_know_nothing_of_files():
    assert not {"os", "io", "pathlib", "esmith"} & names(LIBRARY / "mxbackup/rules/rule.py")


@pytest.mark.parametrize("path", list(launchers()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_launcher_is_isolated_and_thin(path):
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/python3 -IS"
    assert len(lines) <= 25


def test_the_version_is_one_everywhere():
    checked = subprocess.run([str(CHECKOUT / "packaging/version"), "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr + "run: make version"
    said = subprocess.run([str(ROOT / "usr/sbin/mxbackup"), "--version"], capture_output=True, text=True).stdout
    spec = (CHECKOUT / "smeserver-mxbackup.spec").read_text()
    assert said == f"mxbackup {re.search(r'(?m)^Version: +(.*)$', spec)[1]}\n"
    # rpm's own log has it as its last entry.
    assert re.search(r"(?m)^%changelog\n\* .* - (.*)-1$", spec)[1] == said.split()[1]


def test_make_help_lists_every_target():
    makefile = (CHECKOUT / "Makefile").read_text()
    targets = set(re.search(r"(?m)^\.PHONY: (.*)$", makefile)[1].split())
    assert targets == set(re.findall(r"(?m)^([a-z]+):", makefile))
    assert targets - {"help"} == set(re.findall(r"@echo 'make ([a-z]+) ", makefile))


# Who asks for a mail server by its module or a file of one by its path, beside the room of the servers, and why.
BY_NAME = {
    "mxbackup/mailfiles/migration.py": "lists of older methods were made for these servers and no others",
    "mxbackup/mailfiles/core.py": "a core fragment is one of a certain file",
    "mxbackup/mailfiles/archive.py": "a tar is for an old server, whose files are not this host's",
}


def test_nobody_asks_for_a_mail_server_by_name():
    servers = "|".join(re.escape(path.stem) for path in (LIBRARY / "mxbackup/mailservers").glob("*.py")
                       if path.stem not in ("__init__", "shape", "lines"))
    paths = "|".join(("/var/qmail", "/var/service/", "/var/spool/smtpd", "morercpthosts", "rcpthosts", "smtproutes"))
    found = set()
    for path in sorted(LIBRARY.rglob("*.py")):
        name = str(path.relative_to(LIBRARY))
        if not name.startswith("mxbackup/") or name.startswith("mxbackup/mailservers/"):
            continue
        tree = ast.parse(path.read_bytes())
        imports = any(re.search(rf"\bmailservers\.({servers})\b", each) for each in rooms.imported(path))
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        prose = [node.body[0].value for node in ast.walk(tree)
                 if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node)]
        if imports or any(re.search(paths, node.value) for node in texts if node not in prose):
            found.add(name)
    assert found == set(BY_NAME)
