"""Show whether the rules take effect, how the mail files stand, and which entries of the record are
ignored.

A mail file is compared with what the database makes of it now. The exit status is 1 where a file is old,
an entry is ignored, or a list of an older method was not taken over.
"""

from mxbackup import mailservers
from mxbackup.mailfiles import migration, outputs, own, wanted
from mxbackup.mailfiles.change import Preview
from mxbackup.rules import record
from mxbackup.rules.rule import DOMAIN
from mxbackup.terminal import print_json, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any, Dict, Iterator

EXAMPLES = """\
mxbackup status
mxbackup status --json
"""


def add_arguments(parser: "ArgumentParser") -> None:
    parser.add_argument("--json", action="store_true", help="report in JSON")


def run(options: "Namespace") -> int:
    facts = gather()
    if options.json:
        print_json(facts)
    else:
        for line in _report(facts):
            print(printable(line))
    good = all(file["current"] for file in facts["files"] if file["here"])
    return 0 if good and not facts["ignored"] and not facts["lists"] else 1


def gather() -> "Dict[str, Any]":
    """Return how things stand, as a dict for JSON. Raises DatabaseError."""
    db = Preview(readonly=True)
    configuration = record.load(db)
    kinds = list(configuration.rules.kinds.values())
    states = outputs.states(db)
    here = {state.path for state in states}
    files = [
        {"path": s.path, "reader": s.reader, "here": True, "current": not s.reason, "reason": s.reason}
        for s in states
    ]
    files += [
        {"path": file.path, "reader": file.reader, "here": False}
        for file in mailservers.files()
        if file.path not in here
    ]
    return {
        "enabled": configuration.enabled,
        "domains": kinds.count(DOMAIN),
        "hosts": len(kinds) - kinds.count(DOMAIN),
        "smart_host": wanted.host_smart_host(db),
        "files": files,
        "ignored": [{"name": e.name, "flag": e.flag, "reason": e.reason} for e in own.ignored(configuration, db)],
        "lists": [str(step) for step in migration.migrate(Preview(), dry_run=True)],
        "warnings": configuration.warnings,
    }


def _number(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _report(facts: "Dict[str, Any]") -> "Iterator[str]":
    """Yield the lines for a reader."""
    domains, hosts = _number(facts["domains"], "DOMAIN rule"), _number(facts["hosts"], "HOST rule")
    if facts["enabled"]:
        yield f"MX Backup is enabled: {domains} and {hosts}"
    else:
        yield f"MX Backup is disabled: {domains} and {hosts}, without effect until 'mxbackup enable'"
    if facts["smart_host"]:
        yield f"Smart host: {facts['smart_host']}; mail for the rules' names does not go to it, but by DNS"
    else:
        yield "Smart host: none"
    yield "Mail files:"
    for file in facts["files"]:
        state = "not used on this host"
        if file["here"]:
            state = "as the database says" if file["current"] else file["reason"]
        yield f"  {file['path']:39}    {state}"
    if not any(file["here"] for file in facts["files"]):
        yield "  This host has none of them: no mail server here reads the rules."
    for title, lines in (
        (
            "Ignored entries of the record ('mxbackup remove' takes them out):",
            [f"{e['name']},{e['flag']}: {e['reason']}" for e in facts["ignored"]],
        ),
        ("To be taken over from older methods ('mxbackup migrate'):", facts["lists"]),
        ("Warnings:", facts["warnings"]),
    ):
        if lines:
            yield title
            yield from ("  " + line for line in lines)
