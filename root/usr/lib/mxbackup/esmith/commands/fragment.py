"""fragment: prints what one Jinja2 fragment gives, for the Perl engine, whose template holds this command
line."""

import os
import sys

from esmith.errors import EsmithError, TemplateError
from esmith.paths import rooted


def _find(path):
    """Return the fragment file that the engine takes for `path` (a template's path, a slash, a fragment's
    name)."""
    from esmith.templates import QUEUE

    for folder in QUEUE:
        place = rooted(folder + "/" + path.lstrip("/"))
        if os.path.isfile(place):
            return place
    raise TemplateError("{}: there is no such fragment in {}".format(path, " or ".join(map(rooted, QUEUE))))


def main(argv):
    """Run the command `argv` (list of str) and return its exit status: 0, 1 where it failed, 2 for wrong
    use."""
    if len(argv) != 2:
        sys.stderr.write("usage: {} TEMPLATE/FRAGMENT\n".format(argv[0]))
        return 2
    from esmith import fragments

    try:
        path = _find(argv[1])
        if not fragments.read(path).startswith(fragments.MARK):
            raise TemplateError("{}: it is no Jinja2 fragment".format(path))
        text = fragments.render(path, fragments.Names())
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
    except (EsmithError, OSError) as error:
        sys.stderr.write("ERROR: {}\n".format(error))
        return 1
    return 0
