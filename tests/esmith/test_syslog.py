"""Lines for the system's log."""

import os
import re
import socket
import time

import pytest
import replay
from sandbox import Sandbox, Syslog

from esmith import syslog


@pytest.fixture
def here(sandbox, monkeypatch):
    monkeypatch.setenv("ESMITH_ROOT", str(sandbox.path))
    monkeypatch.setattr(syslog, "_patience", 1)
    return sandbox


def test_a_line_is_one_datagram_of_local1_info(here):
    log = Syslog(here / "/dev/log")
    syslog.log("café\udcff {7}", program="signal-event")
    syslog.log("one", "two")
    log.close()
    assert log.messages[0] == b"<142>signal-event[%d]: caf___ {7}" % os.getpid()
    assert [re.sub(rb".*: ", b"", message) for message in log.messages[1:]] == [b"one", b"two"]


def test_where_nobody_listens_it_is_dropped(here):
    syslog.log("nobody")
    (here / "/dev").mkdir()
    syslog.log("nobody")
    (here / "/dev/log").write_text("")
    syslog.log("nobody")
    assert (here / "/dev/log").read_text() == ""
    (here / "/dev/log").unlink()
    Syslog(here / "/dev/log").close()
    syslog.log("nobody any more")


def test_a_socket_with_a_path_longer_than_the_kernel_takes(here, monkeypatch):
    deep = Sandbox(here.path / ("x" * 120))
    monkeypatch.setenv("ESMITH_ROOT", str(deep.path))
    log = Syslog(deep / "/dev/log")
    syslog.log("deep")
    assert replay.syslog(log, deep) == [(142, "deep")]
    log.close()


def test_a_huge_line_is_cut(here):
    log = Syslog(here / "/dev/log")
    syslog.log("x" * 1_000_000)
    log.close()
    assert len(log.messages) == 1 and 50_000 < len(log.messages[0]) < 70_000


def test_a_log_that_does_not_read_is_waited_for_once(here, monkeypatch):
    (here / "/dev").mkdir()
    stuck = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    monkeypatch.chdir(here / "/dev")
    stuck.bind("log")
    start = time.monotonic()
    for number in range(1000):
        syslog.log(f"line {number}")
    assert time.monotonic() - start < 5
    stuck.close()
