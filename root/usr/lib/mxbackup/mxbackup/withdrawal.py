"""Takes the rules out of the mail files before the package goes: the last thing that it does to a host."""

import os

from esmith import atomicfile
from esmith.paths import rooted
from esmith.written import Written
from mxbackup import expansion, hostengine, morercpthosts, targets


def main():
    """Take every entry of ours out of every mail file; return 0, or 1 where one may still be in a file."""
    os.environ["MXBACKUP_WITHHOLD"] = "1"
    if not os.path.exists(rooted(hostengine.COMMANDS + "expand-template")):
        # The engine went first, by force, and with it what gives the host's own lines.
        clean = _are_clean()
        with morercpthosts.Update({}, _say) as update:
            pass
        return 0 if clean and update.well else 1
    for target in targets.applying():
        # What the engine does not know as its own output it would adopt, our entries too.
        if hostengine.is_ours() and not _is_known(target.path):
            _is_clean(target.path)
    expansion.expand(_say)
    # Where an expansion fails (a broken custom fragment, say), our part is still there, and soon nothing else
    # would know it.
    return 0 if _are_clean() else 1


def _are_clean():
    return all([_is_clean(target.path) for target in targets.applying()])


def _is_known(path):
    with Written(path, looking=True) as written:
        return written.known()


def _say(text):
    print(text, flush=True)


def _is_clean(path):
    """Cut our part out of the file `path` (str, not rooted); return whether none is left in it (bool)."""
    try:
        with open(rooted(path), encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            text = whole = stream.read()
        while True:
            begin, end = targets.part(text)
            if begin == end:
                break
            text = text[:begin] + text[end:]
        if text != whole:
            _say("cutting our entries out of " + path)
            atomicfile.replace(rooted(path), text.encode("utf-8", "surrogateescape"))
        return True
    except FileNotFoundError:
        return True
    except OSError as error:
        _say("ERROR: %s: %s" % (path, error.strerror))
        return False
