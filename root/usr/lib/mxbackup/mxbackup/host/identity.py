"""What a host without an e-smith server's own templates needs in its mail files: its domains, its smart host.

The core fragments use it, also where this contrib is not installed.
"""

from esmith.errors import EsmithError
from esmith.paths import rooted

CONTROL = "/var/qmail/control"

# Looser than a rule's name: a host's own may have one label, or an underscore.
_HOST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
_DIGITS = frozenset("0123456789")


class OwnNameError(EsmithError):
    """`SystemName` and `DomainName` make no name that this host can take mail for."""


class SmartHostError(EsmithError):
    """`SMTPSmartHost` is no host name or address that a route can hold."""


def own_domains(db, domains):
    """Return what the core fragment of `rcpthosts` prints (str): the domains this host takes mail for.

    `db`, `domains`: Databases. They are SystemName.DomainName, each key of type `domain`, and what qmail's
    own `me` and `locals` name: without them the host's mail is refused. Raises OwnNameError.
    """
    names = []
    system, domain = db.value("SystemName").strip(), db.value("DomainName").strip()
    if system and domain:
        names.append(system + "." + domain)
        if not _is_own(names[0]):
            raise OwnNameError(
                f"SystemName and DomainName make {ascii(names[0][:200])}: this is no host name; correct them with"
                " 'config set SystemName NAME' and 'config set DomainName NAME'")
    names += [found.key for found in domains.records("domain")]
    names += [name for control in ("me", "locals") for name in _control_lines(control)]
    return "".join(name + "\n" for name in dict.fromkeys(name.lower() for name in names if _is_own(name)))


def _is_own(name):
    # With a dot before it it would be every name below it, perhaps half the world's.
    return bool(name) and not name.startswith(".") and _HOST.issuperset(name)


def _control_lines(name):
    """Return the lines (list of str) of one of qmail's control files, as qmail reads it."""
    try:
        with open(rooted(CONTROL + "/" + name), encoding="utf-8", errors="surrogateescape") as stream:
            return [line.rstrip() for line in stream if not line.startswith("#")]
    except OSError:
        return []


def smart_host(db):
    """Return the value (str) of `SMTPSmartHost`, or "" where it is not set or `off`; `db`: Database."""
    value = db.value("SMTPSmartHost").strip()
    return "" if value == "off" else value


def default_route(db):
    """Return what the core fragment of `smtproutes` prints (str): everything to the smart host, or "".

    `db`: the configuration Database. Raises SmartHostError for a value that is no host name, IPv4 address or
    [address], with a :port or not (qmail-remote(8)).
    """
    value = smart_host(db)
    if not value:
        return ""
    host, colon, port = value.partition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    good_port = not colon or (_DIGITS.issuperset(port) and len(port) <= 5 and 0 < int(port or 0) < 65536)
    if not (host and _HOST.issuperset(host) and good_port):
        raise SmartHostError(
            f"SMTPSmartHost is {ascii(value[:200])}: this is no host name or address, with a :port or not; correct it with"
            " 'config set SMTPSmartHost NAME', or set it to off")
    return ":" + value + "\n"
