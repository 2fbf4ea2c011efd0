"""fragment: prints what one Jinja2 fragment gives; the fragment's own Perl part has it called."""

import os
import sys

from esmith.commands import out
from esmith.errors import EsmithError, TemplateError
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence


def main(argv: "Sequence[str]") -> int:
    """Run the command `argv` (list of str); return its exit status: 0, 1 (it failed) or 2 (wrong use)."""
    if len(argv) != 2:
        print(f"usage: {argv[0]} TEMPLATE/FRAGMENT", file=sys.stderr)
        return 2
    from esmith import fragments, lastlines

    try:
        path = _find(argv[1])
        if not fragments.read(path).startswith(fragments.MARK):
            raise TemplateError(f"{path}: it is no Jinja2 fragment")
        text = fragments.render(path, fragments.Names())
        lastlines.keep(argv[1], text)
        out(text)
    except EsmithError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    return 0


def _find(path: str) -> str:
    """Return the fragment file that the engine takes for `path`: TEMPLATE/NAME."""
    from esmith.templates import QUEUE

    for folder in QUEUE:
        place = rooted(folder + "/" + path.lstrip("/"))
        if os.path.isfile(place):
            return place
    raise TemplateError(f"{path}: there is no such fragment in {' or '.join(map(rooted, QUEUE))}")
