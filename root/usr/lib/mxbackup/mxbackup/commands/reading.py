"""Reading the rules that a user names: on the command line, in files, on standard input; all or nothing."""

import sys

from mxbackup.mailfiles import own
from mxbackup.rules import lists, publicsuffix, record
from mxbackup.rules.rule import DOMAIN, HOST
from mxbackup.terminal import WrongUse, file_name, printable, progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Dict, List, Optional, Sequence, Tuple

    from mxbackup.rules.lists import Entry, Refusal
    from mxbackup.rules.rule import Rule

    Read = Tuple[List[Entry], List[Refusal]]

# A longer list shows how far it is; so many refusals are enough to see what is wrong.
LONG = 5000
SHOWN = 100
# What is larger is no list of rules (octets, lines).
SIZE_LIMIT = 1 << 26
LINE_LIMIT = 1000000


def add_arguments(parser: "ArgumentParser") -> None:
    """Add NAME... and --from-file to `parser`."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="a host or domain; - reads a list from standard input"
    )
    parser.add_argument(
        "--from-file", action="append", default=[], metavar="FILE", help="read a list from FILE"
    )


def read(options: "Namespace") -> "Read":
    """Return ([Entry], [Refusal]) of the names and lists that `options` give. Raises WrongUse for none."""
    for name in options.names:
        if name.upper() in (HOST, DOMAIN):
            raise WrongUse(
                f"{name} is a kind, not a name: say --{name.lower()}; nothing was changed. Names of both kinds go in"
                " a list, a line each: NAME KIND")
    entries = [lists.entry("", None, name, getattr(options, "kind", None) if name[:1] == "." else None)
               for name in options.names if name != "-"]
    files = options.from_file + ["-"] * ("-" in options.names)
    if not entries and not files:
        raise WrongUse(f"{options.command} what? Give a NAME, --from-file FILE, or - for standard input")
    found, refusals = read_files(files)
    return entries + found, refusals


def read_files(files: "Sequence[str]") -> "Read":
    """Return ([Entry], [Refusal]) of the lists in `files` (as the user named them, "-" for standard input).

    Raises WrongUse where one cannot be read.
    """
    entries: List[Entry] = []
    refusals: List[Refusal] = []
    for path in files:
        source = "standard input" if path == "-" else path
        data = _content(path, source)
        found, refused = lists.read(data, source)
        entries += found
        refusals += refused
        if len(found) > LONG:
            progress(f"{source}: {len(found)} rules read")
    return entries, refusals


def resolve(
    entries: "List[Entry]", refusals: "List[Refusal]", kind: "Optional[str]", kinds: "Dict[str, str]"
) -> "List[Rule]":
    """Return the Rules of `entries`, or name each refused one on standard error and raise WrongUse.

    `refusals`: those that reading brought. `kind`: what the user said for entries that do not say, or None;
    then a rule of `kinds` (dict name -> kind) stays what it is and a new one is a HOST.
    """
    rules, refused = lists.resolve(entries, kind or HOST, None if kind else kinds)
    refused += own.refusals(entries, rules, kinds, record.open_configuration(readonly=True))
    refuse(refusals + refused, len(entries) + len(refusals))
    if len(rules) > LONG:
        progress(f"{len(rules)} rules checked")
    warning = publicsuffix.warning() if any(rule.kind == DOMAIN for rule in rules) else ""
    if warning:
        sys.stderr.write(f"mxbackup: {printable(warning)}\n")
    return rules


def refuse(refusals: "List[Refusal]", given: int) -> None:
    """Name each of `refusals` (list of Refusal) on standard error and raise WrongUse, if there is one.

    `given`: how many entries there were, these among them.
    """
    if not refusals:
        return
    sources = list(dict.fromkeys(refusal.source for refusal in refusals))
    refusals = sorted(refusals, key=lambda refusal: (sources.index(refusal.source), refusal.line or 0))
    for refusal in refusals[:SHOWN]:
        sys.stderr.write(f"mxbackup: {printable(_sentence(refusal))}\n")
    if len(refusals) > SHOWN:
        sys.stderr.write(f"mxbackup: and {len(refusals) - SHOWN} more\n")
    raise WrongUse(f"{len(refusals)} of {given} refused; nothing was changed")


def _content(path: str, source: str) -> bytes:
    try:
        with open(
            sys.stdin.fileno() if path == "-" else file_name(path), "rb", closefd=path != "-"
        ) as stream:
            data = stream.read(SIZE_LIMIT + 1)
    except (OSError, ValueError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WrongUse(f"{printable(source)}: cannot be read: {reason}") from None
    if len(data) > SIZE_LIMIT or data.count(b"\n") > LINE_LIMIT:
        raise WrongUse(
            f"{printable(source)}: is larger than a list of rules may be, "
            f"{SIZE_LIMIT >> 20} MiB and {LINE_LIMIT} lines; nothing was changed"
        )
    return data


def _sentence(refusal: "Refusal") -> str:
    place = refusal.source
    if refusal.line:
        place += f" line {refusal.line}"
    name = refusal.name if refusal.name is None else refusal.name[:300] or "''"
    return ": ".join(part for part in (place, name, refusal.reason) if part)

