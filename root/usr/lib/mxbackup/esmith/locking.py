"""Locks, flock(2), that wait a while at most and then name who holds them.

A database's is FILE.lock beside it, which the Perl engine takes, too; all others are files that only their owner can
open: who cannot open a lock cannot hold it against us.
"""

import os
from _signal import SIGURG
from _thread import get_ident
from errno import EDEADLK, ETIMEDOUT
from fcntl import F_GETLEASE, F_SETLEASE, F_SETSIG, F_WRLCK, LOCK_EX, LOCK_NB, fcntl, flock

from esmith import plainfile
from esmith.atomicfile import names, temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Set, Tuple

# Seconds that a lock may keep a program waiting.
LIMIT = 60

_SUFFIX = ".lock"
# The locks that this process holds: (process, thread, database).
_held: "Set[Tuple[int, int, str]]" = set()
# Seconds between two tries, at first and at most.
_SHORT, _LONG = 0.001, 0.02


def limit() -> float:
    """Return the seconds that a lock may keep a program waiting: ESMITH_LOCK_SECONDS, else LIMIT."""
    try:
        seconds = float(os.environ["ESMITH_LOCK_SECONDS"])
    except (KeyError, ValueError):
        return LIMIT
    return seconds if 0 < seconds < 1e6 else LIMIT


def take(opened: int, path: str) -> None:
    """Lock the file open as `opened`, called `path`; raises OSError, which names the holder after limit()."""
    try:
        flock(opened, LOCK_EX | LOCK_NB)
        return
    except BlockingIOError:
        pass
    from time import monotonic, sleep

    end = monotonic() + limit()
    pause = _SHORT
    while True:
        sleep(pause)
        pause = min(2 * pause, _LONG)
        try:
            flock(opened, LOCK_EX | LOCK_NB)
            return
        except BlockingIOError:
            if monotonic() > end:
                held = f"it is locked by {holder(opened)}, for more than {limit():g} seconds"
                raise OSError(ETIMEDOUT, held, path) from None


def holder(opened: int) -> str:
    """Return who holds the lock of the file open as `opened`: the process and its command, as far as can be seen."""
    found = os.fstat(opened)
    identity = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        locks = plainfile.text("/proc/locks").split("\n")
    except OSError:
        locks = []
    for fields in map(str.split, locks):
        if len(fields) > 5 and fields[1] == "FLOCK" and fields[5] == identity and fields[4].isdigit():
            return f"process {fields[4]}{_command(fields[4])}"
    return "a process that cannot be seen from here"


class Held:
    """The lock at `path` (rooted), held from now on; only its owner can open it. Raises OSError."""

    def __init__(self, path: str) -> None:
        plainfile.make_folders(os.path.dirname(path))
        while True:
            self._fd = plainfile.descriptor(path, os.O_RDWR | os.O_CREAT, 0o600, follow=False)
            try:
                os.fchmod(self._fd, 0o600)
                take(self._fd, path)
                if names(path, self._fd):
                    return
            except BaseException:
                os.close(self._fd)
                raise
            # It was removed meanwhile, as an erase does: others lock a new one.
            os.close(self._fd)

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the lock up; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


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
        while True:
            # A lock file of somebody else's may be one that a Perl writer is about to unlink.
            self.shared = False
            try:
                self._fd = plainfile.descriptor(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, follow=False)
            except FileExistsError:
                self.shared = True
                try:
                    self._fd = plainfile.descriptor(self._path, os.O_RDWR, follow=False)
                except FileNotFoundError:
                    continue
                self._close_to_others()
            try:
                take(self._fd, self._path)
                if self.held():
                    _held.add(self._holder)
                    return
            except BaseException:
                os.close(self._fd)
                raise
            # Whoever had it before unlinked it: others lock a new file by now.
            os.close(self._fd)

    def _close_to_others(self) -> None:
        """See to it that nobody else can open the lock file from now on: the Perl engine lets everybody."""
        try:
            if os.fstat(self._fd).st_mode & 0o077:
                os.fchmod(self._fd, 0o600)
        except PermissionError:
            # It is another user's.
            pass

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


def _command(process: str) -> str:
    try:
        words = plainfile.text(f"/proc/{process}/cmdline").rstrip("\0").replace("\0", " ")[:80]
    except OSError:
        return ""
    # Whoever holds it may be anybody, and chooses his own name.
    return " (" + "".join(c if " " <= c <= "~" else "?" for c in words) + ")"
