"""initialize-default-databases: an action of the events that install and upgrade, and of packages."""

import os

from esmith import defaults


def main() -> int:
    """Complete every database; the exit status (int), 1 where one could not be."""
    return 0 if defaults.initialize(_say) else 1


def _say(text: str) -> None:
    try:
        os.write(2, os.fsencode(text + "\n"))
    except OSError:
        pass
