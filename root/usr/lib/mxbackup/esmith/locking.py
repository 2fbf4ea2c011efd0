"""The lock that every writer of a database holds, the Perl engine's too: flock(2) on FILE.lock."""

import os
from fcntl import LOCK_EX, flock

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
            # A Perl writer that waits does not look whether its lock file is still there.
            if self.held() and not _waited_for(self._fd):
                os.unlink(self._path)
        finally:
            os.close(self._fd)
            self._fd = None


def _waited_for(fd):
    """Whether somebody is blocked on a lock of the open file `fd`, as far as /proc/locks (proc(5)) shows."""
    inode = b":%d " % os.fstat(fd).st_ino
    try:
        locks = os.open("/proc/locks", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        text = b""
        while True:
            part = os.read(locks, 1 << 16)
            if not part:
                break
            text += part
    finally:
        os.close(locks)
    return any(b" -> " in line and inode in line for line in text.splitlines())
