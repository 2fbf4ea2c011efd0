"""What every command that talks to a terminal shares: wrong use, text made harmless, progress."""

import os
import sys

from esmith.errors import EsmithError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict


class WrongUse(EsmithError):
    """What was asked for is refused and nothing was changed: the command exits 2."""


def printable(text: str) -> str:
    r"""Return `text` (str) with what a terminal would obey shown instead, as in `\x1b` and `\n`."""
    if text.isprintable():
        return text
    # Bytes that are not UTF-8 go out as they came in.
    return escaped(text, lambda c: c.isprintable() or "\udc80" <= c <= "\udcff")


def escaped(text: str, harmless: "Callable[[str], bool]") -> str:
    r"""Return `text` (str) with each character that is not `harmless` shown instead, as in `\x1b` and `\n`."""
    return "".join(c if harmless(c) else c.encode("unicode_escape").decode("ascii") for c in text)


def file_name(text: str) -> str:
    """Return the path (str) to open for the argument `text` (str, from UTF-8 in every locale)."""
    return os.fsdecode(text.encode("utf-8", "surrogateescape"))


def progress(text: str) -> None:
    """Say on standard error, where that is a terminal, how far a long list is."""
    if sys.stderr.isatty():
        sys.stderr.write(f"mxbackup: {printable(text)}\n")


def print_json(facts: "Dict[str, Any]") -> None:
    """Print `facts`, one object, as every command's --json does."""
    import json

    sys.stdout.write(json.dumps(facts, indent=1) + "\n")


def agreed(question: str) -> bool:
    """Ask `question` (str) on the terminal; return whether the answer is yes, False where there is no terminal."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    sys.stderr.write(f"mxbackup: {printable(question)} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
