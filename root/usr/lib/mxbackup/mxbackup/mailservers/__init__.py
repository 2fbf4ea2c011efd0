"""Each mail server as one shape: its files, what a rule gives there, what it does beyond its files.

It knows each server's formats and programs. It does not know where the rules come from (a Wanted tells all), nor how
its files come to be written. A new server is one module with a SERVER, a line here, and a fragment for each file.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Tuple

    from mxbackup.mailservers.shape import MailFile, MailServer

# In the order in which their files are shown and written.
SERVERS = ("qmail", "qpsmtpd", "obtuse", "postfix")
# Which server says what the files of a name hold: a fragment asks by the name, and imports no other server.
WRITERS = {
    "rcpthosts": "qmail",
    "smtproutes": "qmail",
    "goodrcptto": "qpsmtpd",
    "smtpd_check_rules": "obtuse",
    "postfix_hosts": "postfix",
    "postfix_domains": "postfix",
    "postfix_transport": "postfix",
}


def server(module: str) -> "MailServer":
    """Return the MailServer of the `module` of that name."""
    found: MailServer = __import__("mxbackup.mailservers." + module, fromlist=["SERVER"]).SERVER
    return found


def servers() -> "List[MailServer]":
    """Return all MailServers; the import takes longer than most work with one of them."""
    return [server(module) for module in SERVERS]


def files() -> "List[MailFile]":
    """Return each MailFile that there is, whether this host has it or not."""
    return [file for each in servers() for file in each.files]


def applying() -> "List[Tuple[MailServer, MailFile]]":
    """Return the (server, file) pairs that this host has."""
    return [(each, file) for each in servers() for file in each.files if file.applies()]


def writer(name: str) -> "Tuple[MailServer, MailFile]":
    """Return the server and file that say what files called `name` hold; raises KeyError."""
    found = server(WRITERS[name])
    return found, next(file for file in found.files if file.name == name)
