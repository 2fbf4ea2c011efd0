"""Show every change of the rules: when, by whom, by which command, and what was added, changed and removed.

With a NAME only the changes of that rule. What 'db' or the server-manager's old panel changed beside us is noticed at
the next look and shown without a name. 'mxbackup undo' takes a change back by its number. The journal is in
/var/lib/mxbackup/journal, for root alone; of a very long one the oldest half is dropped.
"""

import sys

from mxbackup.mailfiles import change
from mxbackup.rules.rule import RuleError, parse_name
from mxbackup.terminal import print_json, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Iterator, List

    from mxbackup.rules.journal import Entry

EXAMPLES = """\
mxbackup history
mxbackup history smithnet.com
mxbackup history --json
"""

# So many names of one change are shown one by one.
NAMED = 20
BESIDE = "not by mxbackup: db, config or the old panel"


def add_arguments(parser: "ArgumentParser") -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="the changes of this rule alone")
    parser.add_argument("--json", action="store_true", help="report in JSON")


def run(options: "Namespace") -> int:
    found = change.look()
    if options.name is not None:
        found = _of(found, options.name)
    if options.json:
        print_json({"entries": [entry.as_object() for entry in found]})
    else:
        sys.stdout.write("".join([printable(line) + "\n" for entry in found for line in _lines(entry)]))
    if not found:
        whose = f" of {printable(options.name)}" if options.name is not None else ""
        sys.stderr.write(f"mxbackup: no change{whose} is in the journal\n")
    return 0 if found or options.name is None else 1


def _of(entries: "List[Entry]", text: str) -> "List[Entry]":
    """Return those `entries` that changed the rule called `text`, with that alone."""
    try:
        names = (text, parse_name(text))
    except RuleError:
        # One that is ignored goes by its name as it stands.
        names = (text, text)
    for entry in entries:
        entry.steps = [step for step in entry.steps if step.name in names]
    return [entry for entry in entries if entry.steps]


def _lines(entry: "Entry") -> "Iterator[str]":
    """Yield the lines that show `entry`."""
    who = BESIDE if entry.who is None else f"{entry.who}: {entry.command}"
    when = entry.at.replace("T", " ").replace("Z", " UTC")
    yield f"{entry.number}  {when}  {who}" + (f" (takes {entry.undoes} back)" if entry.undoes else "")
    if entry.enabled:
        yield "    enabled" if entry.enabled[1] else "    disabled"
    for name, before, after in entry.steps[:NAMED]:
        if not before:
            yield f"  + {name}{_told(after)}"
        elif not after:
            yield f"  - {name}{_told(before)}"
        else:
            yield f"  - {name}{_told(before)}"
            yield f"  + {name}{_told(after)}"
    if len(entry.steps) > NAMED:
        yield f"    and {len(entry.steps) - NAMED} more; --json names all"


def _told(item: "object") -> str:
    """Return what a rule has, as in ` DOMAIN, note: until May`."""
    assert isinstance(item, dict)
    rest = "".join(f", {key.replace('_', ' ')}: {value}" for key, value in item.items() if key != "kind")
    return f" {item['kind']}{rest}"
