"""Prove that this host, or a friend's, is a backup MX for a domain, and no open relay.

It holds the dialogues that the how-to holds with telnet, looks at the domain's MX records, and on the host
itself at its mail files. No message is sent unless --send asks for one. The counter-test only proves
something from outside: let a friend run it, who needs Python and this program's folder, nothing installed:

  python3 -m mxbackup check --server mail.doecom.net smithnet.com

Exit status: 0 all is good, 1 there is a fault, 2 something could not be checked, or wrong use;
with --plugin as Nagios has it.
"""

import json
import os
import sys
import time

from esmith.errors import EsmithError
from mxbackup import check
from mxbackup.check.options import JOBS, SECONDS, parse_sender
from mxbackup.check.verdict import FAULT, GOOD, NOTE, PARTS, SERVER, UNCHECKED, Verdict, exit_code
from mxbackup.commands import mailing
from mxbackup.network.address import printable
from mxbackup.terminal import WrongUse, file_name, print_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any, Dict, List, Optional, Sequence, Tuple

EXAMPLES = """\
mxbackup check                                           every rule of this host
mxbackup check --server mail.doecom.net smithnet.com     a friend's server, from outside
mxbackup check --nameserver 1.2.3.4 smithnet.com         as host -t mx smithnet.com 1.2.3.4
mxbackup check -v --as admin@anything.other.org smithnet.com
mxbackup check --skip strict --from-file domains.txt --jsonl
mxbackup check --plugin                                  for Nagios, Icinga and their kin
"""

WORDS = {GOOD: "GOOD", FAULT: "FAULT", UNCHECKED: "UNCHECKED", NOTE: "note"}
COLOURS = {GOOD: "\033[32m", FAULT: "\033[31m", UNCHECKED: "\033[33m"}


def add_arguments(parser: "ArgumentParser") -> None:
    parser.add_argument("domains", nargs="*", metavar="DOMAIN", help="what to check (every rule here)")
    parser.add_argument("--server", metavar="HOST[:PORT]", help="the server to test (127.0.0.1:25)")
    parser.add_argument("--nameserver", metavar="ADDRESS[:PORT]", help="ask it (each domain's own)")
    parser.add_argument("--as", dest="sender", metavar="FROM",
                        help="the sender's address; its domain is our HELO name")
    parser.add_argument("--send", action="store_true", help="send postmaster@ each domain a small message")
    parser.add_argument("--name", action="append", default=[], metavar="NAME",
                        help="a name that the server has in DNS; may be repeated")
    parser.add_argument("--kind", choices=("HOST", "DOMAIN"), default="",
                        help="what DOMAIN is where no rule tells: names below it refused, or accepted")
    parser.add_argument("--outside", action="store_true",
                        help="the server does not let this machine relay, though it is near")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be repeated")
    parser.add_argument("--skip", action="append", choices=PARTS, default=[],
                        help="all but this part; may be repeated")
    parser.add_argument("--from-file", metavar="FILE",
                        help="check the domains in FILE, too, one a line; - is standard input")
    parser.add_argument("--timeout", type=float, default=SECONDS, metavar="SECONDS",
                        help="for each domain (default: %(default)s)")
    parser.add_argument("-j", "--jobs", type=int, default=JOBS, metavar="N",
                        help="domains at once (default: %(default)s)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one object, for programs")
    form.add_argument("--jsonl", action="store_true", help="an object a line for each domain")
    form.add_argument("--plugin", action="store_true",
                      help="one line as Nagios wants it; exits 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="the dialogues as telnet and host show them, and notes")
    parser.add_argument("--changes", action="store_true",
                        help="log what changed in the host's own verdicts, and print only that")
    parser.add_argument("--mail", metavar="ADDRESS", help="with --changes: mail them to ADDRESS as well")


def run(options: "Namespace") -> int:
    """Check what the command line says, print the verdicts, return the exit status."""
    if options.mail is not None and not options.changes:
        raise WrongUse("--mail goes with --changes")
    if options.changes and (options.only or options.skip):
        raise WrongUse("--changes goes without --only and --skip: verdicts on a part are not stored")
    if options.changes and options.plugin:
        raise WrongUse("--changes goes without --plugin, which tells how things stand")
    parts = tuple(part for part in options.only or PARTS if part not in options.skip)
    if not parts:
        raise WrongUse("--only and --skip leave nothing to check")
    if options.plugin:
        return _plugin(options, parts)
    mail_to = options.mail and parse_sender(options.mail)
    if options.mail is not None and not mail_to:
        raise WrongUse("--mail goes with an address that mail can be sent to")
    verdicts, changed, trouble = _verdicts(options, parts)
    if options.changes:
        if trouble:
            sys.stderr.write(f"mxbackup: {trouble}\n")
        _tell(changed, mail_to)
    shown = changed if options.changes else verdicts
    if options.json:
        print_json(_as_dictionary(verdicts, shown, options.verbose))
    elif options.jsonl:
        for entry in _entries(shown, options.verbose):
            print(json.dumps(entry))
    else:
        colours = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
        for verdict in shown:
            for line in verdict.transcript if options.verbose else ():
                print(line)
            print("\n".join(report(verdict, options.verbose or bool(options.domains), colours)))
        if not options.changes:
            print(summary(verdicts))
    return exit_code(verdicts)


def report(verdict: Verdict, notes: bool = True, colours: bool = False) -> "List[str]":
    """Return the lines (list of str) that tell a person of `verdict`, with its notes if `notes`."""
    word = f"{WORDS[verdict.state]:9}"
    if colours:
        word = f"{COLOURS[verdict.state]}{word}\033[0m"
    kind = f" ({verdict.kind})" if verdict.kind and verdict.kind != SERVER else ""
    lines = [f"{word}  {'server ' if verdict.kind == SERVER else ''}{verdict.name}{kind}"]
    for level in (FAULT, UNCHECKED, NOTE) if notes else (FAULT, UNCHECKED):
        for finding in verdict.at(level):
            lines.append(f"    {WORDS[level].lower()}, {finding.part}: {finding.text}")
            if finding.remedy:
                lines.append(f"        {finding.remedy}")
    return lines


def summary(verdicts: "Sequence[Verdict]") -> str:
    """Return the last line: how many domains are good, and how many not."""
    states = [verdict.state for verdict in verdicts if verdict.kind != SERVER]
    return (f"{len(states)} domain{'' if len(states) == 1 else 's'}: {states.count(GOOD)} good, "
            f"{states.count(FAULT)} with a fault, {states.count(UNCHECKED)} not fully checked")


def _as_dictionary(
    verdicts: "Sequence[Verdict]", shown: "Sequence[Verdict]", transcripts: bool,
) -> "Dict[str, Any]":
    state = {0: GOOD, 1: FAULT, 2: UNCHECKED}[exit_code(verdicts)]
    return {"state": state, "verdicts": _entries(shown, transcripts)}


def _entries(shown: "Sequence[Verdict]", transcripts: bool) -> "List[Dict[str, Any]]":
    entries = [verdict.as_dictionary() for verdict in shown]
    if transcripts:
        for entry, verdict in zip(entries, shown):
            entry["transcript"] = verdict.transcript
    return entries


def _verdicts(options: "Namespace", parts: "Tuple[str, ...]") -> "Tuple[List[Verdict], List[Verdict], str]":
    """Return what check.run_and_compare() does."""
    domains = list(options.domains)
    if options.from_file is not None:
        domains += _listed(options.from_file)
        if not domains:
            raise WrongUse(f"{options.from_file}: no domain is in it")
    # Only a person at a terminal waits for the end of it.
    person = sys.stderr.isatty() and not (options.json or options.jsonl or options.plugin)
    return check.run_and_compare(
        domains or None, _progress if person else None, server=options.server, nameserver=options.nameserver,
        sender=options.sender, send=options.send, names=options.name, kind=options.kind, outside=options.outside,
        parts=parts, seconds=options.timeout, jobs=options.jobs, transcripts=options.verbose)


def _listed(path: str) -> "List[str]":
    """Return the domains in the file `path`, one a line; blank lines and comments (#) are left out."""
    if path == "-":
        lines = sys.stdin.read().splitlines()
    else:
        with open(file_name(path), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _plugin(options: "Namespace", parts: "Tuple[str, ...]") -> int:
    """Print one line as the Monitoring Plugins Development Guidelines have it, and return its exit status.

    A fault is CRITICAL. What could not be checked is a WARNING; where that is all, it is UNKNOWN.
    """
    started = time.monotonic()
    try:
        verdicts = _verdicts(options, parts)[0]
    except (EsmithError, OSError) as error:
        print(f"MXBACKUP UNKNOWN - {_in_one_line(str(error))}")
        return 3
    states = [verdict.state for verdict in verdicts]
    counts = [states.count(state) for state in (GOOD, FAULT, UNCHECKED)]
    status = 2 if counts[1] else 0 if not counts[2] else 1 if counts[0] else 3
    worst = FAULT if counts[1] else UNCHECKED
    first = next((verdict for verdict in verdicts if verdict.state == worst), None)
    reason = f"; {first.name}: {first.at(worst)[0].text}" if first and first.at(worst) else ""
    print(f"MXBACKUP {('OK', 'WARNING', 'CRITICAL', 'UNKNOWN')[status]} - "
          f"{_in_one_line(summary(verdicts) + reason)} | good={counts[0]} fault={counts[1]};;0 "
          f"unchecked={counts[2]};0 time={time.monotonic() - started:.2f}s")
    return status


def _in_one_line(text: str) -> str:
    # A bar begins the performance data.
    return printable(text, 300).replace("|", "/")


def _progress(done: int, total: int) -> None:
    if total >= 10:
        sys.stderr.write(f"\r{done} of {total} domains" + ("\r\033[K" if done == total else ""))
        sys.stderr.flush()


def _tell(changed: "Sequence[Verdict]", mail_to: "Optional[str]") -> None:
    """Log each changed verdict, and mail them all to `mail_to` unless that is empty."""
    from esmith import syslog
    for verdict in changed:
        reasons = "; ".join(finding.text for finding in verdict.findings if finding.level == verdict.state)
        syslog.log(f"check: {verdict.name} is now {verdict.state}"
                   + (f": {printable(reasons, 400)}" if verdict.state != GOOD else ""), program="mxbackup")
    if changed and mail_to:
        _mail(changed, mail_to)


def _mail(changed: "Sequence[Verdict]", mail_to: str) -> None:
    lines = [line for verdict in changed for line in report(verdict, notes=False)]
    trouble = mailing.send(mail_to, "MX backup: what was found has changed", lines)
    if trouble:
        sys.stderr.write(f"mxbackup: {trouble}\n")
