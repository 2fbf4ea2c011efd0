"""Writes the mail files that this host has: the work of the action mxbackup-expand."""

import os
import sys

from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup import targets
from mxbackup.host import engine
from mxbackup.mailservers import qmail_lists as morercpthosts
from mxbackup.rules import record
from mxbackup.rules.rule import printable

# So many ignored rules are named in the log; `mxbackup status` names all.
SHOWN = 5


def main():
    """Expand each file that applies here, saying so on stdout; return 0, or 1 where one is as it was."""
    return 0 if expand(_say) else 1


def _say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def expand(say):
    """Expand each file that applies here; return whether all went well (bool). `say` takes lines (str).

    One that fails does not stop the others; the files that may be old are named at the end.
    """
    try:
        configuration = record.load()
    except EsmithError as error:
        # Each expansion would fail alike: every file stays as it is.
        say(f"ERROR: {error}")
        return False
    _report(configuration, say)
    kinds = targets.kinds(configuration)
    paths = [target.path for target in targets.applying()]
    with morercpthosts.Update(kinds, say) as update:
        for target in targets.applying():
            if engine.is_ours() and not _is_known(target.path):
                put_part(target.path, targets.text(target.name), say)
        old = engine.expand_all(paths, say)
    old += [path for path in _short_of_entries(say) if path not in old]
    if old:
        say("ERROR: not expanded, and as old as they were: " + " ".join(old))
    return not old and update.well


def _is_known(path):
    from esmith.written import Written

    with Written(path, looking=True) as written:
        return written.known()


def put_part(path, ours, say):
    """Let our part of the file `path` (str, not rooted) be `ours` (str); return whether it is now (bool).

    A file without a part of ours stays as it is. This is for files that the engine does not know as its own
    output: it would take the entries of rules that are gone for lines written by hand, and keep them.
    """
    try:
        if not os.path.isfile(rooted(path)):
            return True
        with open(rooted(path), encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            text = whole = stream.read()
        place = begin, end = targets.part(text)
        while begin != end:
            text = text[:begin] + text[end:]
            begin, end = targets.part(text)
        if text == whole:
            return True
        text = text[:place[0]] + ours + text[place[0]:]
        if text != whole:
            from esmith import atomicfile

            say(("bringing our entries up to date in " if ours else "cutting our entries out of ") + path)
            atomicfile.replace(rooted(path), text.encode("utf-8", "surrogateescape"))
        return True
    except OSError as error:
        say(f"ERROR: {path}: {error.strerror}")
        return False


def _report(configuration, say):
    """Say what the record.Configuration holds besides rules; `say` takes lines (str)."""
    for warning in configuration.warnings:
        say("WARNING: " + warning)
    for entry in configuration.ignored[:SHOWN]:
        say("WARNING: the rule {} is ignored: {}".format(printable(entry.name) or "without a name", entry.reason))
    if len(configuration.ignored) > SHOWN:
        say("WARNING: %d more are ignored: see mxbackup status" % (len(configuration.ignored) - SHOWN))


def _short_of_entries(say):
    """Yield the path of each file that lacks an entry, where the engine cannot be trusted to have told.

    The Perl engine hides some failures, and a custom fragment may hide ours.
    """
    configuration = record.load()
    for target in targets.applying():
        if engine.is_ours() and not engine.hides_ours(target.path):
            continue
        try:
            with open(rooted(target.path), encoding="utf-8", errors="surrogateescape") as stream:
                lines = set(stream.read().split("\n"))
        except OSError as error:
            say(f"ERROR: {target.path}: {error.strerror}")
            lines = set()
        missing = [entry for entry in targets.entries(target.name, configuration) if entry not in lines]
        if missing:
            say("ERROR: %s lacks %d entries, such as %s: see mxbackup check --only files"
                % (target.path, len(missing), missing[0]))
            yield target.path
