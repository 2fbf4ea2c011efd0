"""expand-template: writes a configuration file from its fragments."""

import os
import sys

from esmith.commands import out
from esmith.errors import EsmithError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, Optional, Tuple

USAGE = """Usage: {0} [--diff|--dry-run] [--output_filename=FILE] [--expand_queue=FOLDER ...]
       /path/to/file/to/expand

  --diff, --dry-run       show what would change, write nothing; exit 0: nothing would, 1: something would
  --output_filename=FILE  write FILE instead
  --expand_queue=FOLDER   take the fragments below FOLDER (several: the first wins) instead of
                          /etc/e-smith/templates-custom and /etc/e-smith/templates
"""


def main(argv: "List[str]") -> int:
    """Run the command `argv` (list of str) and return its exit status.

    0: done; 1: it failed, and the file is as it was; 2: wrong use; 255: no file was named, as the Perl
    engine's command has it. With --diff, 0: nothing would change; 1: something would; 2: it failed.
    """
    program = os.path.basename(argv[0])
    if argv[1:2] in (["--help"], ["-h"]):
        sys.stdout.write(USAGE.format(argv[0]))
        return 0
    try:
        show, output, folders, paths = _parse(argv[1:])
    except ValueError as error:
        print(f"{program}: {error}\n{USAGE.format(argv[0])}", end="", file=sys.stderr)
        return 2
    if len(paths) != 1:
        print(USAGE.format(argv[0]), end="", file=sys.stderr)
        return 2 if paths else 255
    from esmith import templates

    queue = tuple(map(os.path.abspath, folders)) or templates.QUEUE
    try:
        if not show:
            templates.expand(paths[0], output, queue)
            return 0
        difference = templates.diff(paths[0], output, queue)
        out(difference.encode("utf-8", "surrogateescape"))
        return 1 if difference else 0
    except EsmithError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 2 if show else 1
    except KeyboardInterrupt:
        return 130


def _parse(arguments: "Iterable[str]") -> "Tuple[bool, Optional[str], List[str], List[str]]":
    """Return (to show only?, output, queue, paths); ValueError for an option that is not known."""
    show = False
    output = None
    queue = []
    paths: List[str] = []
    arguments = list(arguments)
    while arguments:
        argument = arguments.pop(0)
        if argument == "--":
            paths += arguments
            break
        name, equals, value = argument.partition("=")
        name = name.replace("-", "_")
        if name in ("__output_filename", "__expand_queue"):
            if not equals:
                if not arguments:
                    raise ValueError(f"{argument} takes a value")
                value = arguments.pop(0)
            if name == "__output_filename":
                output = value
            else:
                queue.append(value)
        elif argument in ("--diff", "--dry-run"):
            show = True
        elif argument.startswith("-") and argument != "-":
            raise ValueError(f"no such option: {argument}")
        else:
            paths.append(argument)
    return show, output, queue, paths
