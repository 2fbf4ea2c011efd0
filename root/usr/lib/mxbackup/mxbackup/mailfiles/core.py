"""What the core fragments of e-smith-python print: an SME server has its own for the same.

They are what a host without them needs in its mail files: its own domains, its smart host.
"""

from esmith.errors import EsmithError
from mxbackup.host import identity
from mxbackup.mailfiles import own
from mxbackup.mailservers import qmail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from esmith.database import Database

_DIGITS = frozenset("0123456789")


class SmartHostError(EsmithError):
    """`SMTPSmartHost` is no host name or address that a route can hold."""


def own_domains(db: "Database", domains: "Database") -> str:
    """Return what the core fragment of `rcpthosts` prints: the names this host takes mail for, a line each.

    `db`, `domains`: the databases configuration and domains. Beside what they say it is qmail's local names: without
    them the host's mail is refused. What else the host delivers itself, as its virtual domains, stays where it is
    accepted now, for hosting tools add it to the file itself; it is not opened, for virtual domains can send mail on,
    too. Raises identity.OwnNameError and Unknown.
    """
    names = identity.own_names(db, domains) + [name for name, _ in qmail.local_names()]
    names += own.among([line.lower() for line in qmail.control_lines(qmail.RCPTHOSTS)], own.names(db))
    return "".join(name + "\n" for name in dict.fromkeys(name.lower() for name in names if identity.can_be_own(name)))


def default_route(db: "Database") -> str:
    """Return what the core fragment of `smtproutes` prints: everything to the smart host, or "".

    `db`: the configuration Database. Raises SmartHostError for a value that is no host name, IPv4 address or
    [address], with a :port or not (qmail-remote(8)).
    """
    value = identity.smart_host(db)
    if not value:
        return ""
    host, colon, port = value.partition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    good_port = not colon or (_DIGITS.issuperset(port) and len(port) <= 5 and 0 < int(port or 0) < 65536)
    if not (host and identity.HOST_OCTETS.issuperset(host) and good_port):
        raise SmartHostError(
            f"SMTPSmartHost is {ascii(value[:200])}: this is no host name or address, with a :port or not; correct it"
            " with 'config set SMTPSmartHost NAME', or set it to off"
        )
    return ":" + value + "\n"
