"""Runs an event: its handlers in the order of their names, with what they say going to the system log.

S05 expands the templates below templates2expand, S90 adjusts the services in services2adjust; both are done
in this process. A handler in Python with the launchers' own first line is run in a fork of this
interpreter, any other is executed. A handler that fails fails the event, and the others still run.
"""

import os
import sys
import time

from esmith import handler, syslog
from esmith.errors import EsmithError, EventError
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Sequence, Tuple

    Say = Callable[[str], object]
    Action = Callable[[str, Say], bool]

EVENTS = "/etc/e-smith/events"
ACTIONS = EVENTS + "/actions"
# After these the host starts again, and its services with it.
_RESTARTING = frozenset(("post-upgrade", "bootstrap-console-save"))
# Of the errors of one handler, so many are its reason.
_REASONS = 5


def handlers(event: str) -> "List[Tuple[str, str]]":
    """Return the handlers of `event` (str) in order: (name to sort by, path without ESMITH_ROOT) each.

    Raises EventError where there is no such event.
    """
    if event == "actions":
        raise EventError("'actions' is not a valid event name.")
    folder = EVENTS + "/" + event
    try:
        if "/" in event or event in ("", ".", ".."):
            raise FileNotFoundError
        names = os.listdir(rooted(folder))
    except OSError:
        raise EventError(f"Can't open directory {folder}") from None
    paths = [(name, folder + "/" + name) for name in names]
    found = [(name, path) for name, path in paths if not os.path.isdir(rooted(path))]
    if os.path.isdir(rooted(folder + "/templates2expand")):
        found.append(("S05generic_template_expand", ACTIONS + "/generic_template_expand"))
    if os.path.isdir(rooted(folder + "/services2adjust")):
        found.append(("S90adjust-services", ACTIONS + "/adjust-services"))
    return sorted(found, key=lambda handler: os.fsencode(handler[0]))


def signal(event: str, *arguments: str, tell: "Optional[Say]" = None) -> int:
    """Run the handlers of `event` (str) with `arguments` (str each); return 0, or 1 where a handler failed.

    `tell` takes a line (str) for each handler that failed: its name, how it ended, and what it said of the reason.
    Raises EventError where there is no such event.
    """
    found = handlers(event)
    # A caller may have closed them, and what is opened next would take the place of one.
    descriptor = 0
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    syslog.log(f"Processing event: {event} {' '.join(arguments)}")
    failed = 0
    for name, path in found:
        if path in STANDARD_ACTIONS:
            syslog.log("Running event handler: " + path)
            run: Optional[Action] = STANDARD_ACTIONS[path]
        elif os.access(rooted(path), os.X_OK):
            syslog.log("Running event handler: " + path)
            run = None
        else:
            syslog.log("Skipping non-executable event handler: " + path)
            continue
        output = _Output()
        start = time.time()
        status = _in_process(run, event, output.say) if run else handler.run(
            rooted(path), [event, *arguments], output.say)
        end = time.time()
        program = os.path.basename(path)
        line = f"{program}=action|Event|{event}|Action|{program}"
        line += f"|Start|{_stamp(start)}|End|{_stamp(end)}|Elapsed|{end - start:.6f}"
        syslog.log(line + (f"|Status|{status}" if status else ""))
        if status:
            failed = 1
            print(f"{event}: {name} failed: {_outcome(status)}", file=sys.stderr)
            if tell:
                tell(f"{name} failed ({_outcome(status)}){output.reason()}")
    return failed


def expand_templates(event: str, say: "Say") -> bool:
    """Expand each template of the event's templates2expand; return whether all went well.

    `say` takes each line for the log (str). One that fails does not stop the others; at the end the files
    that are as they were, and so may be old, are named.
    """
    from esmith import fragments, templates

    names = fragments.Names()
    old = []
    for path in templates_of(event):
        say("expanding " + path)
        try:
            # Warnings go to standard error: the log is line for line what the Perl engine's users know.
            templates.expand(path, names=names, reset=True)
        except EsmithError as error:
            say(f"ERROR: {error}")
            old.append(path)
    if old:
        told = "not expanded, and as old as they were: " + " ".join(old)
        say(f"ERROR: {told}")
        print(told, file=sys.stderr)
    return not old


def templates_of(event: str) -> "List[str]":
    """Return the templates (list of str) that the event's templates2expand names, as they are expanded."""
    top = rooted(f"{EVENTS}/{event}/templates2expand")
    found = []
    for folder, _folders, files in os.walk(top):
        for name in files:
            found.append(os.path.join(folder, name)[len(top) :])
    # The Perl engine takes them as the folder gives them; backwards is the order that was recorded.
    return sorted(found, key=os.fsencode, reverse=True)


def adjust_services(event: str, say: "Say") -> bool:
    """Adjust each service of the event's services2adjust; return whether all went well.

    `say` takes each line for the log (str).
    """
    from esmith import services
    from esmith.database import Database

    if event in _RESTARTING:
        return True
    configuration = Database("configuration", readonly=True)
    well = True
    for name, place in _services_of(event):
        record = configuration.get(name)
        if record is None:
            say(f"No conf db entry for service {name}")
            continue
        try:
            services.adjust(name, services.actions(place), record.get("status") == "enabled", say)
        except EsmithError as error:
            say(str(error))
            well = False
    return well


def action(run: "Action", argv: "Sequence[str]") -> int:
    """Run a standard action as a program: `argv` is its name and the event; return its exit status."""
    if len(argv) < 2:
        print(f"usage: {argv[0]} EVENT", file=sys.stderr)
        return 2
    try:
        return 0 if run(argv[1], _print) else 1
    except (EsmithError, OSError) as error:
        print(f"{os.path.basename(argv[0])}: {error}", file=sys.stderr)
        return 1


def plan(event: str, *arguments: str) -> "List[str]":
    """Return what signal() would do (list of str): each handler, template and service, in order."""
    from esmith import services

    lines = []
    for name, path in handlers(event):
        if path == ACTIONS + "/generic_template_expand":
            lines.append(name)
            lines += ["    expand " + template for template in templates_of(event)]
        elif path == ACTIONS + "/adjust-services":
            lines.append(name)
            for service, place in _services_of(event):
                lines.append(f"    adjust {service}: {' '.join(services.actions(place))}")
        elif os.access(rooted(path), os.X_OK):
            lines.append(" ".join([name, event, *arguments]))
        else:
            lines.append(f"{name} (skipped: not executable)")
    return lines


# Done in this process; the files of these names are for `ls`, and for whoever runs one by hand.
STANDARD_ACTIONS = {
    ACTIONS + "/generic_template_expand": expand_templates,
    ACTIONS + "/adjust-services": adjust_services,
}


class _Output:
    """What one handler says: it goes to the system log, and what may be a reason is kept."""

    def __init__(self) -> None:
        self._errors: List[str] = []
        self._last = ""

    def say(self, line: str) -> None:
        syslog.log(line)
        if "ERROR" in line and len(self._errors) < _REASONS:
            self._errors.append(line.strip())
        self._last = line.strip() or self._last

    def reason(self) -> str:
        """Return its first errors; where it named none so, its last line, as of a traceback; "" if it was silent."""
        said = "; ".join(self._errors) or self._last
        return ": " + said if said else ""


def _outcome(status: int) -> str:
    """Return in words how a process of the wait status `status` ended."""
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)}"
    return f"exit status {os.WEXITSTATUS(status)}"


def _stamp(moment: float) -> str:
    return f"{int(moment)} {int(moment % 1 * 1000000)}"


def _in_process(run: "Action", event: str, say: "Say") -> int:
    """Return the wait status that the standard action `run` would have as a process of its own."""
    try:
        return 0 if run(event, say) else 256
    except EsmithError as error:
        say(f"ERROR: {error}")
    except Exception as error:  # noqa: BLE001  # whatever it is, the other handlers are still to run
        say(f"ERROR: {type(error).__name__}: {error}")
    return 256


def _services_of(event: str) -> "List[Tuple[str, str]]":
    """Return (service, the real path of its entry) for each of the event's services2adjust, in order."""
    folder = rooted(f"{EVENTS}/{event}/services2adjust")
    names = sorted(os.listdir(folder), key=os.fsencode)
    return [(name, folder + "/" + name) for name in names if not name.startswith(".")]


def _print(line: str) -> None:
    sys.stdout.buffer.write(line.encode("utf-8", "surrogateescape") + b"\n")
    sys.stdout.flush()
