"""What every command that talks to a terminal shares: wrong use, text made harmless, progress."""

import os
import sys

from esmith.errors import EsmithError


class WrongUse(EsmithError):
    """What was asked for is refused and nothing was changed: the command exits 2."""


def printable(text):
    r"""Return `text` (str) with what a terminal would obey shown instead, as in `\x1b` and `\n`."""
    if text.isprintable():
        return text
    # Bytes that are not UTF-8 go out as they came in.
    return "".join(
        c if c.isprintable() or "\udc80" <= c <= "\udcff" else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


def file_name(text):
    """Return the path (str) to open for the argument `text` (str, from UTF-8 in every locale)."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def progress(text):
    """Say on standard error, where that is a terminal, how far a long list is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"mxbackup: {printable(text)}\n")
