"""Whether the mail files of this host are what the database says, and the server can read them."""

import os
import stat

from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup import mailservers
from mxbackup.check.verdict import FAULT, GOOD, UNCHECKED, Finding
from mxbackup.host.engine import CUSTOM, FRAGMENTS, STANDARD
from mxbackup.mailfiles import outputs, own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List

    from esmith.database import Database
    from mxbackup.check.host import Host
    from mxbackup.mailservers.shape import MailFile

    Found = Callable[..., None]

UPDATE = "run: signal-event mxbackup-update"


def check(host: "Host") -> "List[Finding]":
    """Look at each mail file that this host (host.Host) has; return findings."""
    findings: List[Finding] = []

    def found(level: str, text: str, remedy: str = "") -> None:
        findings.append(Finding("files", level, text, remedy))

    for ignored in host.configuration.ignored:
        found(FAULT, f"the rule '{ignored.name}' is ignored: {ignored.reason}",
              "take it out with mxbackup remove, or add what was meant")
    applying = mailservers.applying()
    for _, file in applying:
        path = rooted(file.path)
        if not os.path.exists(path):
            if file.absent:
                found(FAULT, f"{path} does not exist: {file.reader} then {file.absent}", UPDATE)
            else:
                found(FAULT, f"{path} does not exist", UPDATE)
            continue
        whole = _check_readable(file.path, file.reader, found)
        for beside in file.beside:
            if os.path.exists(rooted(beside)):
                _check_readable(beside, file.reader, found)
        if _check_fragments(file, found) and whole:
            _check_content(file, path, host.database, found)
    _check_beyond(host, found)
    if not applying:
        found(FAULT, "this host has no mail server's files that the rules could go to",
              "look at: mxbackup status")
    return findings


def _check_readable(path: str, reader: str, found: "Found") -> bool:
    """See that a server, as a user of its own, can read `path` (str, not rooted); return if it is a file."""
    if not os.path.isfile(rooted(path)):
        found(FAULT, f"{rooted(path)} is not a file", "move it away, and " + UPDATE)
        return False
    if not _lets_in(rooted(path), stat.S_IROTH):
        found(FAULT, f"{rooted(path)} can be read by root only: {reader} runs as somebody else",
              f"run: chmod o+r {rooted(path)}")
    folder = os.path.dirname(path)
    while folder != "/":
        if not _lets_in(rooted(folder), stat.S_IXOTH):
            found(FAULT, f"{rooted(folder)} can be entered by root only: {reader} runs as somebody else",
                  f"run: chmod o+x {rooted(folder)}")
        folder = os.path.dirname(folder)
    return True


def _lets_in(path: str, bit: int) -> bool:
    """Tell whether others than root have the permission `bit` (that of others) on `path`."""
    status = os.stat(path)
    mode = status.st_mode
    return bool(mode & bit or mode & bit << 3 and status.st_gid != 0 or mode & bit << 6 and status.st_uid != 0)


def _check_fragments(file: "MailFile", found: "Found") -> bool:
    """Tell whether a fragment of ours makes its part of the file (bool); report what is in its way."""
    installed = [name for name in FRAGMENTS if os.path.exists(rooted(f"{STANDARD}{file.path}/{name}"))]
    hidden = [name for name in installed if os.path.exists(rooted(f"{CUSTOM}{file.path}/{name}"))]
    for name in hidden:
        custom = rooted(f"{CUSTOM}{file.path}/{name}")
        found(FAULT, f"{custom} hides the fragment that writes the rules into {file.path}",
              "run: mxbackup migrate; what that leaves in place, look at and move away yourself")
    if not installed:
        found(FAULT, f"there is no fragment of ours for {file.path}", "install the package again")
    return bool(installed) and not hidden


def _check_beyond(host: "Host", found: "Found") -> None:
    """See that what the servers keep beyond their files is in force, and that none delivers a rule's mail itself."""
    try:
        for server, path, sentence in outputs.beyond(host.database):
            if sentence:
                found(FAULT, f"{path} is not as the database says: {sentence}", UPDATE)
            else:
                found(GOOD, f"{path} is what the database says, for {server.name}")
    except (EsmithError, OSError) as error:
        found(UNCHECKED, str(error), f"repair that, and {UPDATE}")
    try:
        mine = own.parted(host.configuration.rules.kinds, host.database)[1]
    except EsmithError as error:
        found(UNCHECKED, str(error), "look at: mxbackup status")
        return
    for name, who in mine.items():
        found(FAULT, f"this host delivers mail for {name} itself, by {who}: none of it goes to the primary",
              f"take {name} out of the names that it delivers, or run: mxbackup remove {name}")


def _check_content(file: "MailFile", path: str, database: "Database", found: "Found") -> None:
    try:
        # After the two lines that name the files, the first character of a line tells.
        difference = outputs.difference(file, database).splitlines()[2:]
    except (EsmithError, OSError) as error:
        found(FAULT, str(error), f"repair that, and {UPDATE}")
        return
    # A comment alone, as after an upgrade that words one anew, is no fault.
    changed = [line for line in difference if line[:1] in ("+", "-") and line[1:2] != "#"]
    if changed:
        count = "1 line differs" if len(changed) == 1 else f"{len(changed)} lines differ"
        found(FAULT, f"{path} is older than the database: {count}, the first is {changed[0]}", UPDATE)
    else:
        found(GOOD, f"{path} holds what the database says")
