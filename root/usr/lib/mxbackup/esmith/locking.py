"""The lock that every writer of a database holds, the Perl engine's too: flock(2) on FILE.lock."""

import os
from _signal import SIGURG
from _thread import get_ident
from errno import EDEADLK
from fcntl import F_GETLEASE, F_SETLEASE, F_SETSIG, F_WRLCK, LOCK_EX, fcntl, flock

from esmith.atomicfile import names, temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Set, Tuple

_SUFFIX = ".lock"
# The locks that this process holds: (process, thread, database).
_held: "Set[Tuple[int, int, str]]" = set()


class Lock:
    """Waits for the lock of the database at `path` (str, rooted) and holds it; raises OSError."""

    def __init__(self, path: str) -> None:
        self._path = path + _SUFFIX
        # -1 where it is closed.
        self._fd = -1
        # To wait for oneself is to wait for ever.
        self._holder = os.getpid(), get_ident(), path
        if self._holder in _held:
            raise OSError(EDEADLK, "a transaction of this very program is under way")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            # A lock file of somebody else's may be one that a Perl writer is about to unlink.
            self.shared = False
            try:
                self._fd = os.open(self._path, flags | os.O_EXCL, 0o660)
            except FileExistsError:
                self.shared = True
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

    def held(self) -> bool:
        """Whether the lock file is still the one that is locked."""
        return names(self._path, self._fd)

    def release(self) -> None:
        """Give the lock up; idempotent. The lock file goes too, unless somebody waits for it."""
        if self._fd < 0:
            return
        try:
            if self.held():
                self._remove()
        except OSError:
            # A Perl writer was quicker, or may remove what this one may not.
            pass
        finally:
            os.close(self._fd)
            self._fd = -1
            _held.discard(self._holder)

    def _remove(self) -> None:
        """Remove the lock file, unless somebody has it open: it is his then.

        A Perl writer that waits does not look whether its lock file is still there; it removes it after use.
        A lease on a file is to be had only while nobody else has it open, and tells who would (fcntl(2)).
        """
        # The kernel's signal to the holder of the lease; this one is ignored.
        fcntl(self._fd, F_SETSIG, SIGURG)
        try:
            fcntl(self._fd, F_SETLEASE, F_WRLCK)
        except BlockingIOError:
            return
        except OSError:
            # Not every file system has leases.
            os.unlink(self._path)
            return
        aside = temporary_name(self._path[:-len(_SUFFIX)])
        os.rename(self._path, aside)
        try:
            if fcntl(self._fd, F_GETLEASE) != F_WRLCK:
                # Somebody opens it this moment: it goes back, unless there is a new one.
                os.link(aside, self._path)
        finally:
            os.unlink(aside)
