"""signal-event: tells the host that something has happened, and so runs the handlers of that event."""

import os
import sys

from esmith import events
from esmith.commands import out
from esmith.errors import EsmithError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

USAGE = """usage:
    {0} [--dry-run] eventname [arg1 [arg2...]]

  --dry-run   show what would run, in order; run nothing
"""


def main(argv: "List[str]") -> int:
    """Run the command `argv` (list of str) and return its exit status.

    0: every handler did well; 1: one failed, or the name cannot be an event; 2: there is no such event, or
    wrong use; 255: no event was named, as the Perl engine's command has it.
    """
    arguments = argv[1:]
    if arguments[:1] in (["--help"], ["-h"]):
        sys.stdout.write(USAGE.format(argv[0]))
        return 0
    dry = arguments[:1] == ["--dry-run"]
    arguments = arguments[1:] if dry else arguments
    if not arguments:
        print(USAGE.format(argv[0]), end="", file=sys.stderr)
        return 255
    if arguments[0].startswith("-"):
        print(f"{os.path.basename(argv[0])}: no such option: {arguments[0]}", file=sys.stderr)
        return 2
    try:
        if dry:
            out(b"".join(os.fsencode(line) + b"\n" for line in events.plan(*arguments)))
            return 0
        return events.signal(*arguments)
    except EsmithError as error:
        print(error, file=sys.stderr)
        return 1 if arguments[0] == "actions" else 2
    except KeyboardInterrupt:
        return 130
