"""Opens what other people may have put there: a name is opened once, never waited for, and shown to be a file.

A FIFO, a device or a socket in the place of a file is an error that names it; a link is one, too, unless it is to
be followed. What is asked of a file afterwards (owner, mode) goes to its descriptor: no other can take its place.
"""

import os
from errno import EINVAL, ELOOP, ENOTDIR
from stat import S_ISREG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

# Seconds that a lease which somebody has on a file may put its opening off; those of locking.py last no time.
LEASE = 10


def descriptor(path: str, flags: int = os.O_RDONLY, mode: int = 0o600, follow: bool = True) -> int:
    """Open the file `path` and return its descriptor; raises OSError, for what is no regular file, too.

    `flags`, `mode` as for os.open(); a new file has just this mode, whatever the umask. Without `follow` a link is an
    error.
    """
    flags |= os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    if flags & os.O_CREAT:
        try:
            opened = _open(path, flags | os.O_EXCL, mode & 0o600)
            os.fchmod(opened, mode)
            return opened
        except FileExistsError:
            if flags & os.O_EXCL:
                raise
    try:
        opened = _open(path, flags & ~os.O_TRUNC, mode & 0o600)
    except OSError as error:
        if error.errno == ELOOP and not follow:
            raise OSError(ELOOP, "it is a link, and is not followed", path) from None
        raise
    if not S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError(EINVAL, "it is no regular file", path)
    if flags & os.O_TRUNC:
        os.ftruncate(opened, 0)
    return opened


def read(path: str, follow: bool = True) -> "Tuple[bytes, os.stat_result]":
    """Return (content, stat result) of the file `path`; raises OSError as descriptor()."""
    opened = descriptor(path, follow=follow)
    try:
        return contents(opened), os.fstat(opened)
    finally:
        os.close(opened)


def content(path: str) -> bytes:
    """Return the content of the file `path`; raises OSError as descriptor()."""
    return read(path)[0]


def text(path: str) -> str:
    """Return the same as UTF-8, with surrogateescape."""
    return read(path)[0].decode("utf-8", "surrogateescape")


def contents(opened: int) -> bytes:
    """Return all that the file open as `opened` holds from where it stands."""
    pieces: List[bytes] = []
    # One more than there should be: the file is complete when less comes.
    size = os.fstat(opened).st_size + 1
    while True:
        piece = os.read(opened, size)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size = 1 << 16


def make_folders(path: str, mode: int = 0o755) -> None:
    """Make the folder `path` and those above that lack, each of this mode, whatever the umask, and on disk.

    Folders that are there stay as they are. Raises OSError.
    """
    if os.path.isdir(path):
        return
    above = os.path.dirname(path.rstrip("/")) or "."
    make_folders(above, mode if mode & 0o055 else 0o755)
    try:
        os.mkdir(path, mode & 0o700)
    except FileExistsError:
        if os.path.isdir(path):
            return
        raise NotADirectoryError(ENOTDIR, "it is no folder", path) from None
    made = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(made, mode)
    finally:
        os.close(made)
    sync_folder(above)


def sync_folder(path: str) -> None:
    """Have the names in the folder `path` on disk, where its file system can do that."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.fsync(folder)
    except OSError:
        # Not every file system can; the names are there by now, whole.
        pass
    finally:
        os.close(folder)


def _open(path: str, flags: int, mode: int) -> int:
    """As os.open(); where a lease puts it off (open(2), EWOULDBLOCK) it is tried again, for LEASE seconds."""
    try:
        return os.open(path, flags, mode)
    except BlockingIOError:
        from time import monotonic, sleep
    end = monotonic() + LEASE
    while True:
        sleep(0.001)
        try:
            return os.open(path, flags, mode)
        except BlockingIOError:
            if monotonic() > end:
                raise
