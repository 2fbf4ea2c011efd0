"""The rules of the house that a machine can hold: language level, rooms, launchers."""

import ast
import os
import subprocess
import sys

import pytest
from sandbox import CHECKOUT, ROOT

LIBRARY = ROOT / "usr/lib/mxbackup"
MODULES = sorted(LIBRARY.rglob("*.py"))
STANDARD_LIBRARY = set(sys.stdlib_module_names)


def launchers():
    """Every installed program of ours that is Python."""
    for path in sorted(ROOT.rglob("*")):
        if path.is_file() and not path.is_symlink() and os.access(path, os.X_OK):
            with open(path, "rb") as program:
                if b"python" in program.readline():
                    yield path


def imported(path):
    """The top-level names of all modules that the file `path` imports, at its top or in a function."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.partition(".")[0]


def test_every_line_runs_on_python_3_6():
    programs = [str(path) for path in [*MODULES, *launchers(), CHECKOUT / "createlinks"]]
    assert len(programs) > 10
    vermin = os.path.join(os.path.dirname(sys.executable), "vermin")
    checked = subprocess.run(
        [vermin, "-t=3.6-", "--no-tips", "--violations", *programs], capture_output=True, text=True,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_engine_knows_nothing_of_mail_and_needs_only_the_standard_library():
    foreign = {
        (path.name, name)
        for path in LIBRARY.glob("esmith/**/*.py")
        for name in imported(path)
        if name not in STANDARD_LIBRARY | {"esmith"}
    }
    assert {name for _, name in foreign} <= {"jinja2"}, foreign


def test_the_rules_know_nothing_of_files():
    assert not {"os", "io", "pathlib", "esmith"} & set(imported(LIBRARY / "mxbackup/rules/rule.py"))


@pytest.mark.parametrize("path", list(launchers()), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_launcher_is_isolated_and_thin(path):
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/python3 -IS"
    assert len(lines) <= 25
