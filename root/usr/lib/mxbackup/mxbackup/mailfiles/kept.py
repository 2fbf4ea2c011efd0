"""What the migration replaced, kept below one folder under the path that it had."""

import os

from esmith import atomicfile
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Tuple

FOLDER = "/var/lib/mxbackup/replaced"


def keep(path: str, data: bytes, found: "Optional[os.stat_result]" = None) -> str:
    """Keep `data` under the name `path`, or that and a number; return the name (not rooted). Raises OSError.

    `found`: whose mode and owner the copy gets; without it root alone can read it.
    """
    os.makedirs(os.path.dirname(rooted(FOLDER + path)), exist_ok=True)
    name, there = find(path, data)
    if not there:
        mode, uid, gid = (found.st_mode & 0o7777, found.st_uid, found.st_gid) if found else (0o600, None, None)
        atomicfile.replace(rooted(name), data, mode, uid, gid)
    return name


def find(path: str, data: bytes) -> "Tuple[str, bool]":
    """Return (the name under which `path` is kept with `data`, True), or (the first free one, False).

    Raises OSError.
    """
    name, number = FOLDER + path, 0
    while True:
        try:
            with open(rooted(name), "rb") as stream:
                if stream.read() == data:
                    return name, True
        except FileNotFoundError:
            return name, False
        number += 1
        name = f"{FOLDER}{path}.{number}"
