"""Our part of a mail file: what our fragment prints there, and where it stands in the file."""

import os

from esmith import plainfile
from esmith.paths import rooted
from mxbackup import mailservers
from mxbackup.mailfiles.wanted import wanted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Optional, Tuple

    from esmith.database import Database

COMMENT = "# MX Backup rules"


def text(name: str, db: "Optional[Database]" = None) -> str:
    """Return what the fragment of the files called `name` prints: a comment and the rules' lines, or "".

    `db`: the configuration Database, the host's where None.
    """
    server, file = mailservers.writer(name)
    lines = file.text(wanted(server, db))
    if not lines:
        return ""
    # The number tells where our part of a file ends.
    number = lines.count("\n")
    what = "1 line is" if number == 1 else f"{number} lines are"
    return f"{COMMENT}: the next {what} from the record mxbackup; see 'mxbackup list'.\n{lines}"


def bounds(text: str) -> "Tuple[int, int]":
    """Return where our part of a mail file's `text` begins and ends; at its end for none."""
    begin = ("\n" + text).find("\n" + COMMENT + ": the next ")
    if begin < 0:
        return len(text), len(text)
    lines = text[begin:].split("\n")
    number = lines[0][len(COMMENT + ": the next "):].partition(" ")[0]
    own = lines[: 1 + int(number)] if number.isdecimal() else lines[:1]
    return begin, min(len(text), begin + len("\n".join(own)) + 1)


def put(path: str, ours: str, say: "Callable[[str], None]") -> bool:
    """Let our part of the file `path` (not rooted) be `ours`; return whether it is now.

    A file without a part of ours stays as it is. This is for files that the engine does not know as its own
    output: it would take the entries of rules that are gone for lines written by hand, and keep them.
    """
    try:
        if not os.path.isfile(rooted(path)):
            return True
        text = whole = plainfile.text(rooted(path))
        place = begin, end = bounds(text)
        while begin != end:
            text = text[:begin] + text[end:]
            begin, end = bounds(text)
        if text == whole:
            return True
        text = text[:place[0]] + ours + text[place[0]:]
        if text != whole:
            from esmith import atomicfile, saves

            # The number in our comment may be wrong by now, and take somebody's line along.
            saves.keep(rooted(path), path, whole.encode("utf-8", "surrogateescape"), say)
            say(("bringing our entries up to date in " if ours else "cutting our entries out of ") + path)
            atomicfile.replace(rooted(path), text.encode("utf-8", "surrogateescape"))
        return True
    except OSError as error:
        say(f"ERROR: {path}: {error.strerror}")
        return False
