"""What packaging/needs.txt lists, and what of it is not on this machine: tests are skipped by these names."""

import functools
import os
import subprocess
import sys
from collections import namedtuple

from sandbox import CHECKOUT

Need = namedtuple("Need", "name stage apt dnf found_by what_for without")


@functools.cache
def table():
    """All of the table: {name: Need}."""
    text = (CHECKOUT / "packaging/needs.txt").read_text()
    return _needs("|", (line for line in text.splitlines() if line and not line.startswith("#")))


@functools.cache
def missing():
    """What is not here: {name: Need}."""
    said = subprocess.run([str(CHECKOUT / "packaging/needs")], env={**os.environ, "PYTHON": sys.executable},
                          check=True, stdout=subprocess.PIPE, text=True).stdout
    return _needs("\t", said.splitlines())


def lacking(*names):
    """Say which of the needs `names` are not here, as "mailfront, nsd"; "" where all are."""
    unknown = set(names) - set(table())
    if unknown:
        raise LookupError(f"packaging/needs.txt does not have: {', '.join(sorted(unknown))}")
    return ", ".join(name for name in names if name in missing())


def reason(names):
    """What a skipped test says where the needs `names` (str, as lacking() gives it) are not here."""
    return "; ".join(f"not here: {name} ({table()[name].what_for})" for name in names.split(", "))


def require(*names):
    """Skip the test, or all that use the fixture, where one of the needs `names` is not here."""
    names = lacking(*names)
    if names:
        import pytest
        pytest.skip(reason(names))


def _needs(separator, lines):
    needs = (Need(*(field.strip() for field in line.split(separator))) for line in lines)
    return {need.name: need for need in needs}
