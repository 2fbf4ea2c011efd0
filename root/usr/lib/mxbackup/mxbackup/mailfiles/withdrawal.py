"""Takes the rules out of the mail files before the package goes: the last thing that it does to a host."""

import os

from esmith import lastlines
from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup import mailservers
from mxbackup.host import engine
from mxbackup.mailfiles import expansion, part
from mxbackup.mailservers.shape import Wanted


def main() -> int:
    """Take every entry of ours out of every mail file; return 0, or 1 where one may still be in a file."""
    os.environ["MXBACKUP_WITHHOLD"] = "1"
    lastlines.drop()
    if not os.path.exists(rooted(engine.COMMANDS + "expand-template")):
        # The engine went first, by force, and with it what gives the host's own lines.
        updated = expansion.update_servers(_say)
        return 0 if _are_clean() and updated else 1
    expansion.expand(_say)
    # Where an expansion fails (a broken custom fragment, say), our part is still there, and soon nothing else
    # would know it.
    return 0 if _are_clean() else 1


def _are_clean() -> bool:
    for file in mailservers.files():
        if file.whole:
            _remove(file.path)
    clean = all([part.put(file.path, "", _say) for _, file in mailservers.applying()])
    for server in mailservers.servers():
        try:
            left = [found for found in server.pending(Wanted({})) if found[1]] if server.pending else []
        except (EsmithError, OSError) as error:
            left = [(getattr(error, "filename", None) or server.name, getattr(error, "strerror", None) or str(error))]
        for path, sentence in left:
            _say(f"ERROR: {path} {sentence}")
            clean = False
    return clean


def _remove(path: str) -> None:
    """Remove a file that is ours alone, and its folder with the last one."""
    try:
        os.unlink(rooted(path))
        os.rmdir(rooted(os.path.dirname(path)))
    except OSError:
        # Not there, or not the last one: part.put() tells of one that still holds entries.
        pass


def _say(text: str) -> None:
    print(text, flush=True)
