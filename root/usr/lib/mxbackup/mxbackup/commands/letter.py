"""Write the letter to the friend whose mail this host backs up: what he has to do on his side.

It has the MX line for his zone, what his MTA-STS policy lacks, the addresses that his server must take from, how he
tests, how he gets his mail after an outage, and how he sends his recipients. It is made from what the check finds.
"""

import sys

from mxbackup.check import letter
from mxbackup.check.options import parse_sender
from mxbackup.check.wording import LANGUAGES
from mxbackup.commands import mailing
from mxbackup.terminal import WrongUse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

EXAMPLES = """\
mxbackup letter smithnet.com
mxbackup letter smithnet.com --language fr --mail postmaster@smithnet.com
"""


def add_arguments(parser: "ArgumentParser") -> None:
    parser.add_argument("name", metavar="NAME", help="the rule that it is about")
    parser.add_argument("--language", choices=sorted(LANGUAGES), default="en", help="default: %(default)s")
    parser.add_argument("--mail", metavar="ADDRESS", help="send it to ADDRESS instead of printing it")
    parser.add_argument("--server", metavar="HOST[:PORT]", help="this host's mail server (127.0.0.1:25)")
    parser.add_argument("--nameserver", metavar="ADDRESS[:PORT]", help="ask it (the domain's own)")
    parser.add_argument("--json", action="store_true", help="subject and text as one object, for programs")


def run(options: "Namespace") -> int:
    address = None if options.mail is None else parse_sender(options.mail)
    if address == "":
        raise WrongUse("--mail goes with an address that mail can be sent to")
    told = letter.gather(options.name, options.server, options.nameserver)
    subject = letter.subject(told, options.language)
    text = letter.lines(told, options.language)
    if address:
        trouble = mailing.send(address, subject, text)
        if trouble:
            sys.stderr.write(f"mxbackup: {trouble}\n")
            return 1
        print(f"sent to {address}")
    elif options.json:
        import json
        print(json.dumps({"subject": subject, "text": "\n".join(text) + "\n"}, indent=1))
    else:
        print("\n".join(text))
    return 0
