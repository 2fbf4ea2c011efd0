"""The db command does what the recording of the Perl engine says, step for step."""

import os
import re
import subprocess

import pytest
import replay
from sandbox import ROOT, Syslog

VECTORS = replay.vectors("db")
# Steps that differ on purpose, as (vector, index of the step): the reason.
EXCEPTIONS = {}
LOG_LINE = re.compile(r"(?s)\$DBPATH/configuration: (OLD|NEW|DELETE) ([^=]*)=(.*)")


def changed_keys(log):
    """{key: (what stood there first, what stands there last or None)} of OLD, NEW and DELETE lines."""
    changes = {}
    for priority, text in log:
        assert priority == 142
        kind, key, value = LOG_LINE.fullmatch(text).groups()
        first, last = changes.get(key, (None, None))
        if kind == "OLD":
            changes[key] = (value if first is None else first, last)
        elif kind == "NEW":
            changes[key] = (first, value)
        else:
            changes[key] = (value if first is None else first, None)
    return changes


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_replay(vector, sandbox):
    folder = sandbox / "/home/e-smith/db"
    folder.mkdir(parents=True)
    path = folder / "configuration"
    if vector["db"] is not None:
        path.write_bytes(replay.bytes_of(vector["db"]))
    log = Syslog(sandbox / "/dev/log")
    try:
        for number, step in enumerate(vector["steps"]):
            before = path.read_bytes() if path.exists() else None
            done = subprocess.run(
                [ROOT / "sbin/e-smith/db", "configuration", *map(replay.bytes_of, step["argv"])],
                env={**sandbox.environment, "DBPATH": str(folder)}, capture_output=True,
            )
            where = f"step {number}: {step['argv']}: {done.stderr!r}"
            assert (vector["name"], number) not in EXCEPTIONS, where
            assert done.stdout == replay.bytes_of(step["stdout"]), where
            if step["exit"] > 1:
                assert done.returncode == 2 and b"usage" in done.stderr, where
            else:
                assert done.returncode == step["exit"], where
            if "db_after" in step:
                assert replay.without_head(path.read_bytes()) == replay.bytes_of(step["db_after"]), where
            else:
                assert (path.read_bytes() if path.exists() else None) == before, where
            ours = [
                (priority, text.replace(str(folder), "$DBPATH"))
                for priority, text in replay.syslog(log, sandbox)
            ]
            assert changed_keys(ours) == changed_keys(step["syslog"]), where
    finally:
        log.close()
    assert sorted(set(os.listdir(folder)) - {"configuration"}) == vector["leftover_files"]
