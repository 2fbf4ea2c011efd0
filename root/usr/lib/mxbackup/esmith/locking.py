"""The lock that every writer of a database holds, the Perl engine's too: flock(2) on FILE.lock."""

import os
from _signal import SIGURG
from _thread import get_ident
from errno import EDEADLK
from fcntl import F_SETLEASE, F_SETSIG, F_UNLCK, F_WRLCK, LOCK_EX, fcntl, flock

from esmith.atomicfile import names


# The locks that this process holds: (process, thread, database).
_held = set()


class Lock:
    """Waits for the lock of the database at `path` (str, rooted) and holds it; raises OSError."""

    def __init__(self, path):
        self._path = path + ".lock"
        self._fd = None
        # To wait for oneself is to wait for ever.
        self._holder = os.getpid(), get_ident(), path
        if self._holder in _held:
            raise OSError(EDEADLK, "a transaction of this very program is under way")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            self._fd = os.open(self._path, flags, 0o660)
            try:
                flock(self._fd, LOCK_EX)
                if self.held():
                    _held.add(self._holder)
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
        except OSError:
            # A Perl writer was quicker, or may remove what this one may not.
            pass
        finally:
            os.close(self._fd)
            self._fd = None
            _held.discard(self._holder)


def _open_elsewhere(fd):
    """Whether the file open as `fd` (int) is open once more: then no lease is to be had (fcntl(2))."""
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
