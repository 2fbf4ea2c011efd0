"""Write the rules to a file or to standard output; 'mxbackup import' reads them back.

With --tar, write static template fragments instead, for an SME Server that is too old for this program.
On that server, unpack them with 'tar xvfP FILE' and expand the templates, as the methods one and two of
the how-to say. For --for: sme5 is SME 5.0 and 5.12, sme55 is 5.5 and 5.6, sme6 is 6, and sme7 is 7 to 9.
"""

import os
import sys

from mxbackup.rules import lists, record
from mxbackup.terminal import WrongUse, file_name, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXAMPLES = """\
mxbackup export > rules.csv
mxbackup export --json rules.json
mxbackup export --tar MXBackupDomains.tar --for sme5
mxbackup export --tar MXBackupDomains55.tar --for sme55
"""

# As in mxbackup.mailfiles.archive, which is not needed for the help.
SERVERS = ("sme5", "sme55", "sme6", "sme7")


def add_arguments(parser: "ArgumentParser") -> None:
    parser.add_argument(
        "file", nargs="?", default="-", metavar="FILE", help="where to (default: standard output)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="a list of NAME,KIND lines (the default)")
    form.add_argument("--json", action="store_true", help="JSON")
    form.add_argument(
        "--tar", metavar="FILE", help="a tar of static fragments for the server that --for names"
    )
    parser.add_argument("--for", dest="server", choices=SERVERS, help="the server that is to unpack the tar")


def run(options: "Namespace") -> int:
    if bool(options.tar) != bool(options.server):
        raise WrongUse(f"--tar FILE and --for {'|'.join(SERVERS)} go together")
    if options.tar and options.file != "-":
        raise WrongUse(f"one FILE, please: the tar goes to {printable(options.tar)}")
    rules = record.load().rules
    if not options.tar:
        write = lists.write_json if options.json else lists.write_csv
        _put(options.file, write(rules).encode())
        return 0
    if not rules:
        sys.stderr.write("mxbackup: there is no rule to export\n")
        return 1
    from mxbackup.mailfiles import archive

    _put(options.tar, archive.pack(rules, options.server))
    for line in archive.advice(options.tar, options.server):
        sys.stderr.write(printable(line) + "\n")
    return 0


def _put(path: str, data: bytes) -> None:
    """Write `data` (bytes) to the user's file `path`, whole or not at all; to standard output for "-"."""
    name = file_name(path)
    if path == "-":
        sys.stdout.buffer.write(data)
    elif os.path.exists(name) and not os.path.isfile(name):
        with open(name, "wb") as stream:
            stream.write(data)
    else:
        from esmith import atomicfile

        atomicfile.replace(os.path.realpath(name), data)
