"""What bash offers after db and config."""

import subprocess

import pytest
from sandbox import ROOT

pytestmark = pytest.mark.needs("bash")
SCRIPT = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_esmith_db
[ -z "${COMPREPLY[*]}" ] || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("command, offered", [
    (["db", ""], ["configuration", "domains"]),
    (["db", "dom"], ["domains"]),
    (["db", "domains", "getp"], ["getprop"]),
    (["db", "domains", "show", ""], ["b.org", r"with\ space"]),
    (["config", "set"], ["set", "setdefault", "settype", "setprop"]),
    (["config", "keys", ""], []),
    (["config", "delete", "m"], ["mxbackup"]),
    (["config", "getprop", "mxbackup", ""], ["name", "status"]),
    (["config", "setprop", "mxbackup", "s"], ["status"]),
    (["config", "setprop", "mxbackup", "status", ""], []),
    (["config", "setprop", "mxbackup", "status", "x", "n"], ["name"]),
    (["config", "set", "mxbackup", ""], []),
    (["config", "set", "mxbackup", "service", ""], ["name", "status"]),
    (["config", "setdefault", "mxbackup", "service", "name", ""], []),
    (["config", "printprop", "nobody", ""], []),
])
def test_completion(sandbox, command, offered):
    folder = sandbox / "/home/e-smith/db"
    sandbox.write("/home/e-smith/db/configuration", "mxbackup=service|name|a|status|b\n")
    sandbox.write("/home/e-smith/db/domains", "b.org=domain\nwith space=domain\n")
    program = str(ROOT / "sbin/e-smith" / command[0])
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", ROOT / "usr/share/bash-completion/completions" / command[0],
         program, *command[1:]],
        env={**sandbox.environment, "DBPATH": str(folder)}, capture_output=True, text=True,
    )
    assert (done.stdout.splitlines(), done.stderr) == (offered, "")
