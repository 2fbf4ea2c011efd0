"""Takes the rules out of the mail files before the package goes: the last thing that it does to a host."""

import os

from esmith.paths import rooted
from mxbackup import targets
from mxbackup.host import engine
from mxbackup.mailfiles import expansion
from mxbackup.mailservers import qmail_lists as morercpthosts


def main():
    """Take every entry of ours out of every mail file; return 0, or 1 where one may still be in a file."""
    os.environ["MXBACKUP_WITHHOLD"] = "1"
    if not os.path.exists(rooted(engine.COMMANDS + "expand-template")):
        # The engine went first, by force, and with it what gives the host's own lines.
        clean = _are_clean()
        with morercpthosts.Update({}, _say) as update:
            pass
        return 0 if clean and update.well else 1
    expansion.expand(_say)
    # Where an expansion fails (a broken custom fragment, say), our part is still there, and soon nothing else
    # would know it.
    return 0 if _are_clean() else 1


def _are_clean():
    return all([expansion.put_part(target.path, "", _say) for target in targets.applying()])


def _say(text):
    print(text, flush=True)
