"""Accept mail for other people's hosts and domains, and pass it on to their own servers.

A HOST is that name alone; a DOMAIN is the name and everything below it. Where neither --host nor --domain
nor the list says which, a new rule is a HOST and one that is there stays as it is; else it takes the kind
given now. All names are checked first: where one is refused, nothing is changed. Then the record is
changed once, and one event brings the mail files up to date.

A next hop is where the mail goes instead of to the MX that DNS names; a bare HOST is that host by its address.

A list has a rule a line: a name, perhaps followed by a comma or a blank and HOST or DOMAIN; a name with a
dot before it is a DOMAIN; '#' starts a comment. 'mxbackup list --csv' writes this form.
"""

from mxbackup.commands import change, reading
from mxbackup.rules import extras, record
from mxbackup.rules.rule import DOMAIN, HOST
from mxbackup.rules.words import WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from esmith.database import Database

EXAMPLES = """\
mxbackup add smithnet.com --domain
mxbackup add mail.bar.org mx.bar.org
mxbackup add --from-file friends.txt --domain
ssh friend cat domains.txt | mxbackup add -
mxbackup add smithnet.com --domain --dry-run
mxbackup add smithnet.com --next-hop '[10.0.0.5]:2525' --contact john@bar.org
"""


def add_arguments(parser: "ArgumentParser") -> None:
    reading.add_arguments(parser)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--host",
        dest="kind",
        action="store_const",
        const=HOST,
        help="the name alone; in a list, where a line does not say",
    )
    kind.add_argument(
        "--domain",
        dest="kind",
        action="store_const",
        const=DOMAIN,
        help="the name and everything below it; in a list, where a line does not say",
    )
    for word in WORDS:
        parser.add_argument(word.option, metavar=word.metavar, help=f"{word.help}; '' takes it away")
    change.add_options(parser)


def run(options: "Namespace") -> int:
    entries, refusals = reading.read(options)
    rules = reading.resolve(entries, refusals, options.kind, record.load().rules.kinds)
    given = {word.key: getattr(options, word.key) for word in WORDS if getattr(options, word.key) is not None}
    given = {word.key: given[word.key] and word.parse(given[word.key]) for word in WORDS if word.key in given}

    def edit(db: "Database") -> record.Change:
        described = extras.describe([rule.name for rule in rules], given, db) if given else []
        done = record.add(rules, db)
        done.described = described
        return done

    return change.carry_out(options, edit, change.describe)
