"""Files are opened once and never waited for; a lease on one, as a lock's holder has for a moment, is no error."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest
from sandbox import ROOT

from esmith import plainfile

# Opens the file and says what it holds.
OPENER = (
    "import sys; sys.path.insert(0, sys.argv[1]); from esmith import plainfile; "
    "print(plainfile.text(sys.argv[2]))"
)


def leased(path):
    """Return a descriptor with a lease on `path`, whose breaking sends a signal that nobody minds."""
    held = os.open(path, os.O_RDWR)
    fcntl.fcntl(held, fcntl.F_SETSIG, signal.SIGURG)
    fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    return held


def test_a_file_under_a_lease_is_opened_once_that_is_given_up(tmp_path):
    path = tmp_path / "file"
    path.write_text("content")
    held = leased(path)
    opener = subprocess.Popen([sys.executable, "-c", OPENER, str(ROOT / "usr/lib/mxbackup"), str(path)],
                              stdout=subprocess.PIPE, text=True)
    try:
        # The lease says when somebody wants to open the file.
        while fcntl.fcntl(held, fcntl.F_GETLEASE) == fcntl.F_WRLCK:
            assert opener.poll() is None
        os.close(held)
        assert opener.communicate(timeout=30)[0] == "content\n"
    finally:
        opener.kill()
        opener.wait()


def test_a_lease_that_is_kept_is_an_error_in_the_end(tmp_path):
    path = tmp_path / "file"
    path.write_text("content")
    held = leased(path)
    limited = OPENER.replace("print(", "plainfile.LEASE = 0.2; print(")
    try:
        ran = subprocess.run([sys.executable, "-c", limited, str(ROOT / "usr/lib/mxbackup"), str(path)],
                             capture_output=True, text=True, timeout=30)
    finally:
        os.close(held)
    assert ran.returncode == 1 and "BlockingIOError" in ran.stderr


def test_a_fifo_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="no regular file"):
        plainfile.descriptor(str(tmp_path / "fifo"))
