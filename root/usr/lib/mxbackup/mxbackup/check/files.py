"""Whether the mail files of this host are what the database says, and the server can read them."""

import os
import stat

from esmith.errors import EsmithError
from esmith.paths import rooted

from .verdict import FAULT, GOOD, Finding

CUSTOM = "/etc/e-smith/templates-custom"
STANDARD = "/etc/e-smith/templates"
UPDATE = "run: signal-event mxbackup-update"


def check(host):
    """Look at each mail file that this host (host.Host) has; return findings."""
    from mxbackup import hostengine, targets
    findings = []

    def found(level, text, remedy=""):
        findings.append(Finding("files", level, text, remedy))

    for ignored in host.configuration.ignored:
        found(FAULT, f"the rule '{ignored.name}' is ignored: {ignored.reason}",
              "take it out with mxbackup remove, or add what was meant")
    applying = targets.applying()
    for target in applying:
        path = rooted(target.path)
        if not os.path.exists(path):
            found(FAULT, f"{path} does not exist"
                  + (f": {target.reader} then takes mail for the whole world" if target.name == "rcpthosts" else ""),
                  UPDATE)
            continue
        _check_readable(path, target.reader, found)
        if _check_fragments(target, hostengine.FRAGMENTS, found):
            _check_content(target, path, host.database, found)
    if not applying:
        found(FAULT, "this host has no mail server's files that the rules could go to",
              "look at: mxbackup status")
    return findings


def _check_readable(path, reader, found):
    """The servers read their files as users of their own: others must be able to (bool)."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        found(FAULT, f"{path} is not a file", "move it away, and " + UPDATE)
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


def _check_content(target, path, database, found):
    from mxbackup import outputs
    try:
        # After the two lines that name the files, each line of the file is marked by its first character.
        lines = outputs.difference(target, database).splitlines()[2:]
        changed = [line for line in lines if line[:1] in ("+", "-") and line[1:2] != "#"]
    except (EsmithError, OSError) as error:
        found(FAULT, str(error), f"repair that, and {UPDATE}")
        return
    if changed:
        found(FAULT, f"{path} is older than the database: {len(changed)} lines differ, the first is {changed[0]}",
              UPDATE)
    else:
        found(GOOD, f"{path} holds what the database says")
