"""Who changes the rules, and by which command: what the journal has of it."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple, Optional

    class Actor(NamedTuple):
        who: str
        command: str
else:
    from collections import namedtuple

    Actor = namedtuple("Actor", "who command")
Actor.__doc__ = """`who` changes the rules, as in "john (by sudo)", and the `command` or page that does it."""

# So much of a command is kept (characters).
LONGEST = 300
# What the kernel has where nobody logged in, as in a service (proc(5)).
_NOBODY = 0xFFFFFFFF


def current() -> Actor:
    """Return the Actor of this process: who logged in, also where he became root since, and what he typed."""
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    command = " ".join([name, *sys.argv[1:]])
    return Actor(_who(), command if len(command) <= LONGEST else command[:LONGEST - 3] + "...")


def _who() -> str:
    user = _name(os.getuid())
    sudo = os.environ.get("SUDO_USER")
    if sudo and os.geteuid() == 0:
        return f"{sudo} (by sudo)"
    login = _login()
    return user if login in (None, user) else f"{login} (as {user})"


def _login() -> "Optional[str]":
    """Return the name of who logged in, as the kernel knows it, or None."""
    try:
        with open("/proc/self/loginuid") as stream:
            number = int(stream.read())
    except (OSError, ValueError):
        return None
    return None if number == _NOBODY else _name(number)


def _name(number: int) -> str:
    from pwd import getpwuid

    try:
        return getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
