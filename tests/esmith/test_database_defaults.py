"""initialize-default-databases does what the recording of the Perl action says, and says what it cannot."""

import grp
import os
import subprocess

import pytest
import replay
from sandbox import ROOT, Syslog

ACTION = "/etc/e-smith/events/actions/initialize-default-databases"
VECTORS = [v for v in replay.vectors("engine") if v["steps"][0]["argv"] == [ACTION]]


def run(sandbox):
    return subprocess.run(
        [ROOT / ACTION.lstrip("/")], env=sandbox.environment, capture_output=True, text=True,
    )


def group_admin():
    try:
        return grp.getgrnam("admin").gr_gid
    except KeyError:
        return None


def test_there_are_vectors():
    assert len(VECTORS) == 8


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_replay(vector, sandbox):
    replay.plant(sandbox, vector["tree"])
    log = Syslog(sandbox / "/dev/log")
    try:
        for step in vector["steps"]:
            done = run(sandbox)
            assert (done.returncode, done.stdout) == (step["exit"], step["stdout"])
            assert done.stderr == step["stderr"]
            after = replay.tree(sandbox, "/home/e-smith", "/tmp/out")
            assert set(after) == set(step["tree_after"])
            for path, expected in step["tree_after"].items():
                found = after[path]
                for entry in found, expected:
                    entry["text"] = replay.without_head(replay.bytes_of(entry["text"]))
                assert (found["text"], found["mode"]) == (expected["text"], expected["mode"]), path
                if os.geteuid() == 0 and group_admin() is not None:
                    status = os.stat(sandbox / path)
                    assert (status.st_uid, status.st_gid) == (0, group_admin()), path
            assert replay.syslog(log, sandbox) == [tuple(line) for line in step["syslog"]]
    finally:
        log.close()
