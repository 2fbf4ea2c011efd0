"""The lock that every writer of a database holds, the Perl engine's too: flock(2) on FILE.lock."""

import os
from _signal import SIGURG
from fcntl import F_SETLEASE, F_SETSIG, F_UNLCK, F_WRLCK, LOCK_EX, fcntl, flock

from esmith.atomicfile import names


class Lock:
    """Waits for the lock of the database at `path` (str, rooted) and holds it; raises OSError."""

    def __init__(self, path):
        self._path = path + ".lock"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            self._fd = os.open(self._path, flags, 0o660)
            try:
                flock(self._fd, LOCK_EX)
                if self.held():
                    return
            except BaseException:
                os.close(self._fd)
                raise
            # Whoever had it before unlinked it: others lock a new file by now.
            os.close(self._fd)

    def held(self):
        """Whether the lock file is still the one that is locked."""
        return names(self._path, self._fd)

    def release(self):
        """Give the lock up; idempotent. The lock file goes too, unless somebody waits for it."""
        if self._fd is None:
            return
        try:
            # A Perl writer that waits takes a file that is gone for the lock; it removes it after use.
            if self.held() and not _open_elsewhere(self._fd):
                os.unlink(self._path)
        finally:
            os.close(self._fd)
            self._fd = None


def _open_elsewhere(fd):
    """Whether the file open as `fd` (int) is open once more: only then is there no lease to be had (fcntl(2))."""
    # Whoever opens it within these microseconds makes the kernel send a signal; this one is ignored.
    fcntl(fd, F_SETSIG, SIGURG)
    try:
        fcntl(fd, F_SETLEASE, F_WRLCK)
    except BlockingIOError:
        return True
    except OSError:
        # Not every file system has leases.
        return False
    fcntl(fd, F_SETLEASE, F_UNLCK)
    return False
