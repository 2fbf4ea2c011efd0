"""Whether the mail files of this host are what the database says, and the server can read them."""

import os
import stat

from esmith.errors import EsmithError
from esmith.paths import rooted

from .verdict import FAULT, GOOD, Finding

CUSTOM = "/etc/e-smith/templates-custom"
STANDARD = "/etc/e-smith/templates"


def check(configuration):
    """Look at each mail file that this host has; return findings. `configuration` is a record.Configuration."""
    from mxbackup import hostengine, targets
    findings = []

    def found(level, text, remedy=""):
        findings.append(Finding("files", level, text, remedy))

    for ignored in configuration.ignored:
        found(FAULT, f"the rule {ignored[0]} is ignored: {ignored[2]}", "take it out (mxbackup remove), or add it right")
    applying = targets.applying()
    for target in applying:
        path = rooted(target.path)
        if not os.path.exists(path):
            found(FAULT, f"{path} does not exist"
                  + (f": {target.reader} then takes mail for the whole world" if target.name == "rcpthosts" else ""),
                  "run: signal-event mxbackup-update")
            continue
        _check_readable(path, target.reader, found)
        if _check_fragments(target, hostengine.FRAGMENTS, found):
            _check_content(target, path, configuration, hostengine.is_ours(), found)
    if not applying:
        found(FAULT, "this host has no mail server's files that the rules could go to",
              "look at: mxbackup status")
    return findings


def _check_readable(path, reader, found):
    """The servers read their files as users of their own: others must be able to (bool)."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        found(FAULT, f"{path} is not a file", "move it away, and run: signal-event mxbackup-update")
    elif not status.st_mode & stat.S_IROTH:
        found(FAULT, f"{path} can only be read by its owner and group: {reader} runs as somebody else",
              f"run: chmod o+r {path}")
    folder = os.path.dirname(path)
    if not os.stat(folder).st_mode & stat.S_IXOTH:
        found(FAULT, f"{folder} cannot be entered by others: {reader} runs as somebody else",
              f"run: chmod o+x {folder}")


def _check_fragments(target, names, found):
    """Tell whether a fragment of ours makes its part of the file (bool), after reporting what is in the way."""
    installed = [name for name in names if os.path.exists(rooted(f"{STANDARD}{target.path}/{name}"))]
    hidden = [name for name in installed if os.path.exists(rooted(f"{CUSTOM}{target.path}/{name}"))]
    for name in hidden:
        custom = rooted(f"{CUSTOM}{target.path}/{name}")
        found(FAULT, f"{custom} hides the fragment that writes the rules into {target.path}",
              "run: mxbackup migrate; what that leaves in place, look at and move away yourself")
    if not installed:
        found(FAULT, f"there is no fragment of ours for {target.path}", "install the package again")
    return installed and not hidden


def _check_content(target, path, configuration, engine_is_ours, found):
    update = "run: signal-event mxbackup-update"
    try:
        missing = _difference(target.path) if engine_is_ours else _missing(target, path, configuration)
    except (EsmithError, OSError) as error:
        found(FAULT, str(error), f"repair that, and {update}")
        return
    if missing:
        found(FAULT, f"{path} is not what the database says: {len(missing)} lines differ, the first is {missing[0]}",
              update)
    else:
        found(GOOD, f"{path} holds what the database says")


def _difference(path):
    """Return the lines (list of str), each after + or -, by which the file is not what an expansion would give."""
    from esmith import templates
    return [line for line in templates.diff(path).splitlines()[2:] if line.startswith(("+", "-"))]


def _missing(target, path, configuration):
    """Return the lines, each after +, that the rules give and the file does not have, or after -, that are left over.

    The Perl engine expands to files only. What our fragment wrote follows its comment.
    """
    from mxbackup import targets
    with open(path, encoding="utf-8", errors="surrogateescape") as lines:
        there = [line.rstrip() for line in lines]
    entries = targets.entries(target.name, configuration)
    known = set(there)
    missing = ["+" + entry for entry in entries if entry not in known]
    if not entries and targets.COMMENT in known:
        missing.append("-" + targets.COMMENT)
    return missing
