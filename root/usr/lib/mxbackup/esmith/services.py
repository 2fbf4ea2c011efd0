"""Adjusts services, through systemd or a supervisor's control pipe; a disabled one is stopped."""

import os

from esmith import handler
from esmith.errors import EsmithError
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Sequence

    Say = Callable[[str], object]

# The byte that tells supervise(8) and runsv(8) what to do, by the names that services2adjust uses.
CONTROL = {
    "down": "d",
    "stop": "d",
    "d": "d",
    "up": "u",
    "start": "u",
    "restart": "t",
    "sigterm": "t",
    "adjust": "h",
    "reload": "h",
    "sighup": "h",
    "sigusr1": "1",
    "sigusr2": "2",
    "once": "o",
    "o": "o",
    "pause": "p",
    "alarm": "a",
    "interrupt": "i",
    "quit": "q",
    "kill": "k",
    "exit": "x",
}
# After one of these, a service that is enabled is not brought up besides.
_NOT_UP = frozenset(("down", "stop", "d", "once", "o"))
_STARTS_ITSELF = _NOT_UP | {"start", "restart", "reload-or-restart"}
# The systemctl(1) arguments for an action that has another name there.
_SYSTEMCTL = {
    "adjust": ("reload-or-restart",),
    "down": ("stop",),
    "d": ("stop",),
    "up": ("start",),
    "once": ("start",),
    "o": ("start",),
    "reload": ("reload-or-restart",),
    "sigterm": ("restart",),
    "sighup": ("reload-or-restart",),
    "sigusr1": ("kill", "--signal=USR1"),
    "sigusr2": ("kill", "--signal=USR2"),
    "alarm": ("kill", "--signal=ALRM"),
    "interrupt": ("kill", "--signal=INT"),
    "quit": ("kill", "--signal=QUIT"),
    "kill": ("kill", "--signal=KILL"),
    "pause": ("kill", "--signal=STOP"),
    "exit": ("stop",),
}
_UNIT_FOLDERS = (
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)


class ServiceError(EsmithError):
    """A service could not be adjusted; the text says which and why."""


def actions(path: str) -> "List[str]":
    """Return the actions (list of str) that the services2adjust entry `path` asks for.

    A link names one by its target, a file has one a line. Raises ServiceError where it cannot be read.
    """
    try:
        if os.path.islink(path):
            return [os.readlink(path)]
        with open(path, encoding="utf-8", errors="surrogateescape") as entry:
            return [line.strip() for line in entry if line.strip()]
    except OSError as error:
        raise ServiceError(f"{path}: {error.strerror}") from None


def adjust(service: str, wanted: "Sequence[str]", enabled: bool, say: "Say") -> None:
    """Do the `wanted` actions (list of str) to `service` (str), stopping it where it is not `enabled` (bool).

    `say` takes each step (str) before it is done. Raises ServiceError.
    """
    if os.path.isdir(rooted("/service/" + service)):
        _supervised(service, wanted, enabled, say)
    else:
        _by_systemd(service, wanted, enabled, say)


def _supervised(service: str, wanted: "Sequence[str]", enabled: bool, say: "Say") -> None:
    steps = list(wanted) if enabled else ["down"] + list(wanted)
    if enabled and _NOT_UP.isdisjoint(wanted):
        steps.append("up")
    pipe = rooted(f"/service/{service}/supervise/control")
    try:
        # Without a supervisor at the other end this fails at once, where it would else wait for ever.
        control = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ServiceError(
            f"Couldn't open control fifo for service {service}: {error.strerror}"
        ) from None
    unknown = []
    try:
        for step in steps:
            if step not in CONTROL:
                unknown.append(f"Unrecognised param {step} for service {service}")
                continue
            say(f"adjusting supervised {service} ({step})")
            os.write(control, CONTROL[step].encode())
    except OSError as error:
        raise ServiceError(
            f"Couldn't write to control fifo for service {service}: {error.strerror}"
        ) from None
    finally:
        os.close(control)
    if unknown:
        raise ServiceError("; ".join(unknown))


def _by_systemd(service: str, wanted: "Sequence[str]", enabled: bool, say: "Say") -> None:
    steps = ["stop"]
    if enabled:
        steps = list(wanted)
        if _STARTS_ITSELF.isdisjoint(wanted):
            steps.insert(0, "start")
    failures = []
    for step in steps:
        say(f"adjusting non-supervised {service} ({step})")
        if not any(
            os.path.exists(rooted(f"{folder}/{service}.service")) for folder in _UNIT_FOLDERS
        ):
            # As with the Perl engine, no failure: the package of the service may not be installed.
            say(f"serviceControl: startScript not found for service {service}")
            continue
        arguments = [*_SYSTEMCTL.get(step, (step,)), service + ".service"]
        if handler.run(rooted("/usr/bin/systemctl"), arguments, say):
            failures.append(f"systemctl {' '.join(arguments)} failed")
    if failures:
        raise ServiceError("; ".join(failures))
