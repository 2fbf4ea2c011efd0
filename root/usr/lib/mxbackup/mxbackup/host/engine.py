"""The e-smith engine of this host, ours or the Perl one: has events run and files expanded by it."""

import os

from esmith.errors import EsmithError, EventError, TemplateError
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Iterable, List, Optional, Tuple

    from esmith.fragments import Names

COMMANDS = "/sbin/e-smith/"
CUSTOM = "/etc/e-smith/templates-custom"
STANDARD = "/etc/e-smith/templates"
# Our fragments' names, in any folder.
FRAGMENTS = ("20QandD", "20MXBackup", "61MXBackupDomains")


def is_ours() -> bool:
    """Tell whether this host's engine is ours, to be used in this process, and not the Perl one (bool).

    Where there is none, as in a sandbox, it is ours.
    """
    try:
        with open(rooted(COMMANDS + "expand-template"), "rb") as stream:
            return b"esmith.commands" in stream.read(4096)
    except OSError:
        return True


def signal_event(name: str, *arguments: str, tell: "Callable[[str], object]") -> int:
    """Run the event `name`; return 0, or 1 where a handler failed. Raises EventError where it cannot run.

    `tell` takes lines (str) that say why a handler failed, as far as the engine says it.
    """
    if is_ours():
        from esmith import events
        return events.signal(name, *arguments, tell=tell)
    status, errors = _run("signal-event", name, *arguments)
    if status and errors:
        tell(errors)
    return 1 if status else 0


def expand(
    path: str, names: "Optional[Names]" = None, say: "Optional[Callable[[str], object]]" = None,
) -> None:
    """Expand the template of `path` (str, not rooted); raises TemplateError, the output being as it was.

    `names`: a fragments.Names to share databases between expansions; `say` takes a line of warning (str).
    """
    if is_ours():
        from esmith import templates
        if say:
            templates.expand(path, names=names, reset=True, warn=say)
        else:
            templates.expand(path, names=names, reset=True)
        return
    status, errors = _run("expand-template", path)
    # The Perl command says ERROR and exits with 0.
    if status or "ERROR" in errors:
        raise TemplateError(errors or f"{path}: expand-template failed with status {status}")
    if errors and say:
        say(errors)


def expand_all(paths: "Iterable[str]", say: "Callable[[str], object]") -> "List[str]":
    """Expand each of `paths` (list of str); return those (list of str) that are as they were.

    `say` takes lines (str): `expanding PATH` before each, and what went wrong.
    """
    names = None
    if is_ours():
        from esmith.fragments import Names
        names = Names()
    old = []
    for path in paths:
        say("expanding " + path)
        try:
            expand(path, names, say)
        except EsmithError as error:
            say(f"ERROR: {error}")
            old.append(path)
    return old


def hides_ours(path: str) -> bool:
    """Tell whether something below templates-custom takes the place of our fragment of `path` (bool)."""
    custom = rooted(CUSTOM + path)
    return os.path.isfile(custom) or any(os.path.exists(custom + "/" + name) for name in FRAGMENTS)


def has_other_fragments(path: str) -> bool:
    """Tell whether the template of `path` (str, not rooted) has a fragment that is not ours (bool)."""
    for folder in [rooted(queue + path) for queue in (CUSTOM, STANDARD)]:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            ours = name in FRAGMENTS or name.startswith("template-")
            if not ours and os.path.isfile(folder + "/" + name):
                return True
    return False


def _run(command: str, *arguments: str) -> "Tuple[int, str]":
    """Run the host's own `command`; return its exit status and what it said on stderr (int, str)."""
    import subprocess
    try:
        ran = subprocess.run([rooted(COMMANDS + command)] + list(arguments),
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as error:
        raise EventError(f"{rooted(COMMANDS + command)}: {error.strerror}") from error
    return ran.returncode, ran.stderr.decode("utf-8", "replace").strip()
