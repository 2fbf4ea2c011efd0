"""One module for each subcommand of `mxbackup`; the table of them is in mxbackup.cli."""

from esmith.errors import EsmithError


class WrongUse(EsmithError):
    """What was asked for is refused and nothing was changed: the command exits 2."""


def printable(text):
    r"""Return `text` (str) with what a terminal would obey shown instead, as in `\x1b` and `\n`."""
    if text.isprintable():
        return text
    # Bytes that are not UTF-8 go out as they came in.
    return "".join(
        c if c.isprintable() or "\udc80" <= c <= "\udcff" else c.encode("unicode_escape").decode("ascii") for c in text
    )
