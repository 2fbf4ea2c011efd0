"""Takes the rules out of the mail files before the package goes: the last thing that it does to a host."""

import os

from esmith import lastlines
from esmith.paths import rooted
from mxbackup import mailservers
from mxbackup.host import engine
from mxbackup.mailfiles import expansion, part


def main() -> int:
    """Take every entry of ours out of every mail file; return 0, or 1 where one may still be in a file."""
    os.environ["MXBACKUP_WITHHOLD"] = "1"
    lastlines.drop()
    if not os.path.exists(rooted(engine.COMMANDS + "expand-template")):
        # The engine went first, by force, and with it what gives the host's own lines.
        clean = _are_clean()
        return 0 if expansion.update_servers(_say) and clean else 1
    expansion.expand(_say)
    # Where an expansion fails (a broken custom fragment, say), our part is still there, and soon nothing else
    # would know it.
    return 0 if _are_clean() else 1


def _are_clean() -> bool:
    for file in mailservers.files():
        if file.whole:
            _remove(file.path)
    return all([part.put(file.path, "", _say) for _, file in mailservers.applying()])


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
