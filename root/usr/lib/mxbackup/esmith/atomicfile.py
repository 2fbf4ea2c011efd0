"""Replaces a file as a whole: whoever reads it sees the old content or the new, whatever happens."""

import os
from fcntl import LOCK_EX, LOCK_NB, flock

from esmith import plainfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, List, Optional, Union

    Piece = Union[bytes, memoryview]

_SUFFIX = ".esmith~"
# Names are at most 255 bytes; the rest is room for what makes the name temporary and unique.
_NAME_BYTES = 220
_LARGE = 1 << 16
# Of a new file whose mode nobody says.
_MODE = 0o644
# fcntl.h and linux/fs.h.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


class Replacement:
    """New content (pieces, each bytes) for `path`, complete on disk under a temporary name, not yet in place.

    Use it as a context manager: leaving it without `commit()` leaves the old file as it was.
    The temporary file is locked while its writer lives; one that is not belongs to a killed writer.
    """

    def __init__(
        self,
        path: str,
        pieces: "Iterable[Piece]",
        mode: "Optional[int]" = None,
        uid: "Optional[int]" = None,
        gid: "Optional[int]" = None,
        like: int = -1,
    ) -> None:
        self._path = path
        # -1 where it is closed.
        self._fd = -1
        self._temporary = temporary_name(path)
        self._folder = os.path.dirname(self._temporary)
        clean(path)
        try:
            self._create()
            self._write(pieces)
            self._dress(mode, uid, gid, like)
            os.fsync(self._fd)
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> "Replacement":
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._fd >= 0:
            if self._temporary:
                try:
                    os.unlink(self._temporary)
                except FileNotFoundError:
                    pass
            os.close(self._fd)
            self._fd = -1

    def commit(self, right: "Optional[Callable[[str], bool]]" = None) -> bool:
        """Put the new file in the old one's place; whether it is there (bool). Raises OSError.

        `right(path)`, where given, tells whether a file is the one that is to be replaced. Where another has
        taken its place, in the very last moment even, that stays. It is for whoever cannot rely on a lock.
        """
        if right is None:
            os.rename(self._temporary, self._path)
        elif not self._exchange(right):
            return False
        # It has the other name.
        self._temporary = ""
        plainfile.sync_folder(self._folder)
        return True

    def _exchange(self, right: "Callable[[str], bool]") -> bool:
        from esmith.locking import take

        try:
            current = plainfile.descriptor(self._path)
        except FileNotFoundError:
            # Somebody else's writer is between two names.
            return False
        try:
            # So that nobody takes it for a killed writer's when it has the temporary name. Its own writer has it
            # a moment longer.
            take(current, self._path)
            if not right(self._path):
                return False
            if not _exchange(self._temporary, self._path):
                os.rename(self._temporary, self._path)
            elif right(self._temporary):
                os.unlink(self._temporary)
            else:
                _exchange(self._temporary, self._path)
                if not names(self._temporary, self._fd):
                    # Meanwhile somebody went on from the new file: what he wrote stays.
                    _exchange(self._temporary, self._path)
                return False
        finally:
            os.close(current)
        return True

    def _create(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            fd = os.open(self._temporary, flags, 0o600)
            try:
                flock(fd, LOCK_EX)
            except OSError:
                # A file system without locks: nobody can tell then that a writer was killed.
                pass
            # Another writer may have taken it for a killed one's before it was locked.
            if names(self._temporary, fd):
                self._fd = fd
                return
            os.close(fd)

    def _write(self, pieces: "Iterable[Piece]") -> None:
        # Few system calls for many small pieces, no copy of a large one.
        small: List[Piece] = []
        for piece in pieces:
            if len(piece) < _LARGE:
                small.append(piece)
                continue
            self._write_all(b"".join(small))
            small = []
            self._write_all(piece)
        self._write_all(b"".join(small))

    def _write_all(self, data: "Piece") -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view):]

    def _dress(self, mode: "Optional[int]", uid: "Optional[int]", gid: "Optional[int]", like: int) -> None:
        """Give the new file the owner, attributes and mode of the old one or of `like`, or those asked for."""
        old = like
        if like < 0:
            try:
                old = plainfile.descriptor(self._path, follow=False)
            except OSError:
                # None, or no file, or one that this user may not read: what is asked for has to do.
                pass
        try:
            new = os.fstat(self._fd)
            if old >= 0:
                found = os.fstat(old)
                uid = found.st_uid if uid is None else uid
                gid = found.st_gid if gid is None else gid
                mode = found.st_mode & 0o7777 if mode is None else mode
            uid = new.st_uid if uid is None else uid
            gid = new.st_gid if gid is None else gid
            if (uid, gid) != (new.st_uid, new.st_gid):
                try:
                    os.fchown(self._fd, uid, gid)
                except PermissionError:
                    # Only root may give a file away; the content matters more.
                    pass
            if old >= 0:
                _copy_attributes(old, self._fd)
            os.fchmod(self._fd, _MODE if mode is None else mode)
        finally:
            if old >= 0 and old != like:
                os.close(old)


def clean(path: str) -> None:
    """Remove the temporary files that killed writers of the file `path` (str) left beside it."""
    folder, prefix = os.path.dirname(path) or ".", _prefix(path)
    try:
        names_there = os.listdir(folder)
    except OSError:
        return
    for name in names_there:
        if not (name.startswith(prefix) and name.endswith(_SUFFIX)):
            continue
        temporary = os.path.join(folder, name)
        try:
            fd = plainfile.descriptor(temporary, follow=False)
        except OSError:
            # No file, so no writer's.
            continue
        try:
            flock(fd, LOCK_EX | LOCK_NB)
            os.unlink(temporary)
        except OSError:
            pass
        finally:
            os.close(fd)


def temporary_name(path: str) -> str:
    """A name beside the file `path` (str) for something locked and short-lived; replace() cleans it up."""
    return os.path.join(os.path.dirname(path) or ".", _prefix(path) + os.urandom(6).hex() + _SUFFIX)


def lasting_name(path: str) -> str:
    """The name that a file is to get, of which `path` (str) may be the temporary one; else `path` as it is."""
    folder, name = os.path.split(path)
    if not (name.startswith(".") and name.endswith(_SUFFIX)):
        return path
    return os.path.join(folder, name[1:-len(_SUFFIX)].rpartition(".")[0])


def names(path: str, fd: int) -> bool:
    """Whether `path` (str) still names the file that is open as `fd` (int)."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(fd))
    except FileNotFoundError:
        return False


def replace(
    path: str,
    data: bytes,
    mode: "Optional[int]" = None,
    uid: "Optional[int]" = None,
    gid: "Optional[int]" = None,
    like: int = -1,
) -> None:
    """Replace the file `path` (as it is: root it first) by `data`, whole or not at all.

    The new file is on disk before it gets the name. Mode, owner and extended attributes are the old file's, or those
    of the file open as `like`, unless given; a new file has 0644, whatever the umask. Raises OSError (a full disk, a
    folder that is not there ...) with the old file as it was and nothing left behind.
    """
    with Replacement(path, [data], mode, uid, gid, like) as replacement:
        replacement.commit()


def _exchange(path: str, other: str) -> bool:
    """Exchange two files at once, by renameat2(2); False where the system or the file system cannot."""
    import ctypes

    try:
        renameat2 = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    return bool(renameat2(_AT_FDCWD, os.fsencode(path), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _prefix(path: str) -> str:
    return "." + os.fsdecode(os.fsencode(os.path.basename(path))[:_NAME_BYTES]) + "."


def _copy_attributes(old: int, new: int) -> None:
    """Copy the extended attributes of one open file to another: access control lists, the security context."""
    try:
        attributes = os.listxattr(old)
    except OSError:
        return
    for name in attributes:
        try:
            os.setxattr(new, name, os.getxattr(old, name))
        except OSError:
            # Some are the system's alone.
            pass
