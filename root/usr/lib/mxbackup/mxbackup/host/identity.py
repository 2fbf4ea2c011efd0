"""Who this host is by its databases: the names that it takes mail for itself, and its smart host."""

from esmith.errors import EsmithError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Tuple

    from esmith.database import Database

# Looser than a rule's name: a host's own may have one label, or an underscore.
HOST_OCTETS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")
_HOST = "SystemName and DomainName"


class OwnNameError(EsmithError):
    """`SystemName` and `DomainName` make no name that this host can take mail for."""


def names(db: "Database", domains: "Database") -> "Iterator[Tuple[str, str]]":
    """Yield (name, who says so) for `SystemName.DomainName` and each key of type `domain`, as they stand there.

    A domain that is delegated to another server counts, too. `db`, `domains`: configuration and domains.
    """
    system, domain = db.value("SystemName").strip(), db.value("DomainName").strip()
    if system and domain:
        yield system + "." + domain, _HOST
    for found in domains.records("domain"):
        yield found.key, "the database domains"


def own_names(db: "Database", domains: "Database") -> "List[str]":
    """Return `SystemName.DomainName` and each key of type `domain`, as they stand there.

    `db`, `domains`: the databases configuration and domains. Raises OwnNameError.
    """
    found = list(names(db, domains))
    for name, who in found:
        if who == _HOST and not can_be_own(name):
            raise OwnNameError(
                f"SystemName and DomainName make {ascii(name[:200])}: this is no host name; correct them with"
                " 'config set SystemName NAME' and 'config set DomainName NAME'"
            )
    return [name for name, _ in found]


def can_be_own(name: str) -> bool:
    """Tell whether `name` can stand among the names that a host takes mail for."""
    # With a dot before it it would be every name below it, perhaps half the world's.
    return bool(name) and not name.startswith(".") and HOST_OCTETS.issuperset(name)


def smart_host(db: "Database") -> str:
    """Return the smart host that the configuration Database `db` names, "" for none.

    On an SME Server 11 it is `SMTPSmartHost` of the record `postfix`, where its `SMTPSmartHostStatus` is `enabled`;
    before, and on other hosts, the record `SMTPSmartHost`, where that is not `off`.
    """
    postfix = db.get("postfix")
    if postfix is not None and "SMTPSmartHostStatus" in postfix.props:
        return postfix.get("SMTPSmartHost").strip() if postfix.get("SMTPSmartHostStatus") == "enabled" else ""
    value = db.value("SMTPSmartHost").strip()
    return "" if value == "off" else value
