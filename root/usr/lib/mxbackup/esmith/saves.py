"""Keeps a file that somebody else wrote as FILE.esmith-save before it is replaced, and older saves beside it."""

import os
import stat

from esmith import plainfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

SUFFIX = ".esmith-save"
# So many older saves are kept; the next one drops the oldest, and says so.
OLDER = 9


def keep(place: str, output: str, current: bytes, say: "Callable[[str], object]") -> None:
    """Keep the file at `place`, which holds `current`; on disk when this returns. Raises OSError.

    `output`: its path as the administrator knows it; `say` takes lines. What is kept has the owner and mode of the
    very file that holds `current`: where another has taken its place meanwhile, that is not shown to anybody.
    """
    save = place + SUFFIX
    opened = plainfile.descriptor(place)
    try:
        # Where it was replaced meanwhile, what was read is kept for root alone.
        like = opened if plainfile.contents(opened) == current else -1
        if os.path.lexists(save):
            if _holds(save, current):
                return
            _make_room(save, output, say)
        if not (like >= 0 and _link(opened, place, save)):
            _copy(like, current, save)
    finally:
        os.close(opened)
    say(f"WARNING: {output} was changed by another hand than the engine's: kept as {output + SUFFIX}")


def _holds(save: str, current: bytes) -> bool:
    try:
        return plainfile.read(save, follow=False)[0] == current
    except OSError:
        # No file: it makes room as any other name.
        return False


def _make_room(save: str, output: str, say: "Callable[[str], object]") -> None:
    names = [f"{save}.{number}" for number in range(1, OLDER + 1)]
    if os.path.lexists(names[-1]):
        say(f"WARNING: the oldest save, {output}{SUFFIX}.{OLDER}, is dropped")
    for older, newer in reversed(list(zip(names, [save] + names))):
        if os.path.lexists(newer):
            os.rename(newer, older)


def _link(opened: int, place: str, save: str) -> bool:
    """Let `save` be the very file that is open, with all that belongs to it; False where it takes a copy."""
    if not os.path.samestat(os.lstat(place), os.fstat(opened)):
        # A link in its place would go on to show what others write where it leads.
        return False
    try:
        # With a folder's descriptor, which an absolute name does not need, Python uses linkat(2), which follows.
        os.link(f"/proc/self/fd/{opened}", save, src_dir_fd=opened, follow_symlinks=True)
    except OSError:
        return False
    plainfile.sync_folder(os.path.dirname(save))
    return True


def _copy(opened: int, current: bytes, save: str) -> None:
    """Write `current` to `save`, with the owner, mode and attributes of the file open as `opened`, -1 for none."""
    from esmith import atomicfile

    if opened < 0:
        atomicfile.replace(save, current, mode=0o600)
        return
    found = os.fstat(opened)
    atomicfile.replace(
        save, current, mode=stat.S_IMODE(found.st_mode), uid=found.st_uid, gid=found.st_gid, like=opened
    )
