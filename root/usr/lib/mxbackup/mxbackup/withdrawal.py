"""Takes the rules out of the mail files before the package goes: the last thing that it does to a host."""

import os

from esmith import atomicfile
from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup import expansion, record, targets


def main():
    """Take every entry of ours out of every mail file; return 0, or 1 where one may still be in a file."""
    given = {}
    try:
        configuration = record.load()
        for target in targets.applying():
            given[target.path] = set(targets.entries(target.name, configuration))
    except EsmithError as error:
        print("ERROR: %s" % error)
    os.environ["MXBACKUP_WITHHOLD"] = "1"
    expansion.expand(_say)
    # Where an expansion fails (a broken custom fragment, say), ours are still there, and nothing else knows them.
    return 0 if all([_is_clean(target.path, given.get(target.path, ())) for target in targets.applying()]) else 1


def _say(text):
    print(text, flush=True)


def _is_clean(path, entries):
    """Cut our comment and the `entries` (set of str) below it out of the file `path`; return whether all are out."""
    try:
        with open(rooted(path), encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            lines = stream.read().splitlines(True)
    except FileNotFoundError:
        return True
    except OSError as error:
        _say("ERROR: %s: %s" % (path, error.strerror))
        return False
    kept, ours = [], False
    for line in lines:
        text = line.rstrip("\n")
        ours = text.startswith(targets.COMMENT) or ours and text in entries
        if not ours:
            kept.append(line)
    if kept == lines:
        return True
    _say("cutting the entries out of " + path)
    try:
        atomicfile.replace(rooted(path), "".join(kept).encode("utf-8", "surrogateescape"))
    except OSError as error:
        _say("ERROR: %s: %s" % (path, error.strerror))
        return False
    return bool(entries)
