"""expand-template and signal-event do what the Perl engine was recorded to do, vector by vector."""

import grp
import os
import pwd
import re

import pytest
import replay
from sandbox import ROOT, Syslog

# tests/esmith/test_database_replay.py has those of initialize-default-databases.
VECTORS = [v for v in replay.vectors("engine") if v["steps"][0]["argv"][0].startswith("/sbin/e-smith/")]
BEGIN = (ROOT / "etc/e-smith/templates-default/template-begin").read_text().rstrip("\n")
AS_ROOT = os.geteuid() == 0


def planted(sandbox, tree):
    """Plant the vector's tree; its handlers write below the sandbox where the recorded ones wrote below
    /tmp."""
    replay.plant(sandbox, tree)
    (sandbox / "/tmp/out").mkdir(parents=True, exist_ok=True)
    (sandbox / "/home/e-smith/db").mkdir(parents=True, exist_ok=True)
    for path, entry in tree.items():
        if path.startswith("/etc/e-smith/events/") and "text" in entry:
            text = entry["text"].replace("/tmp/out", str(sandbox / "/tmp/out"))
            (sandbox / path).write_bytes(replay.bytes_of(text))


def expected_log(step):
    lines = [(priority, text) for priority, text in step["syslog"] if text != " at FILE line N."]
    if any(text.startswith("ERROR: ") for _, text in lines):
        # The Perl engine's action hides the failure; ours says at the end which files are old, and fails.
        last = lines.pop()
        lines.append((142, "ERROR: not expanded, and as old as they were: /tmp/out/none"))
        lines.append((last[0], last[1] + "|Status|256"))
    return lines


def seen_log(log, sandbox):
    lines = []
    for priority, text in replay.syslog(log, sandbox):
        text = text.replace(str(sandbox.path), "")
        text = re.sub(r"Start\|\d+ \d+\|End\|\d+ \d+\|Elapsed\|[\d.]+", "Start|T|End|T|Elapsed|T", text)
        lines.append((priority, text))
    return lines


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_recorded(vector, sandbox):
    planted(sandbox, vector["tree"])
    log = Syslog(sandbox / "/dev/log")
    try:
        for step in vector["steps"]:
            output = next((p for p in step["tree_after"] if p.startswith("/tmp/out/")), "/tmp/out/file.conf")
            inode = os.lstat(sandbox / output).st_ino if os.path.lexists(sandbox / output) else None
            result = sandbox.run(os.path.basename(step["argv"][0]), *step["argv"][1:])
            differs = vector.get("ours_differs", "")
            if differs:
                assert result.returncode == 1
            else:
                assert result.returncode == step["exit"]
            assert result.stdout == step["stdout"]
            if step["stderr"]:
                assert result.stderr
            if differs.startswith("exit status must not be 0"):
                assert step["argv"][-1] in result.stderr
            check_tree(sandbox, step["tree_after"])
            if step["same_inode"] and inode is not None and os.path.lexists(sandbox / output):
                assert os.lstat(sandbox / output).st_ino == inode
            assert seen_log(log, sandbox) == [tuple(line) for line in expected_log(step)]
    finally:
        log.close()


def check_tree(sandbox, expected):
    found = replay.tree(sandbox, "/tmp/out", "/home/e-smith")
    found = {path: entry for path, entry in found.items() if not path.endswith(".esmith-save")}
    assert sorted(found) == sorted(expected)
    for path, entry in expected.items():
        assert found[path]["text"] == entry["text"].replace("{DEFAULT-BEGIN}", BEGIN), path
        assert found[path]["mode"] == entry["mode"], path
        if AS_ROOT:
            status = os.lstat(sandbox / path)
            owner = pwd.getpwuid(status.st_uid).pw_name + ":" + grp.getgrgid(status.st_gid).gr_name
            assert owner == entry["owner"], path
