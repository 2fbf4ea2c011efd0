"""This host as its databases describe it: who it is, and which rules it has. Other machines have none."""

import os

from mxbackup.rules import extras, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional

    from esmith.database import Database


class Host:
    """What the databases say.

    database       the configuration Database, read-only
    configuration  record.Configuration: the rules, whether they are in force
    smart_host     str: where this host sends its mail, "" for by DNS
    names          list of str: the host's own names, the first being the one it uses itself
    domain         str: its own domain
    next_hops      dict name -> next hop, of those rules in force that have one
    """

    def __init__(
        self,
        database: "Database",
        configuration: "record.Configuration",
        smart_host: str,
        names: "List[str]",
        domain: str,
        next_hops: "Dict[str, str]",
    ) -> None:
        self.database = database
        self.configuration = configuration
        self.smart_host = smart_host
        self.names = names
        self.domain = domain
        self.next_hops = next_hops

    @property
    def name(self) -> str:
        return self.names[0]


def load() -> "Optional[Host]":
    """Return this machine's Host, or None where there is no configuration database. Raises DatabaseError."""
    from esmith import paths
    if not os.path.exists(paths.given(paths.database("configuration"))):
        return None
    from esmith.database import Database
    from mxbackup.mailfiles import wanted
    database = Database("configuration", readonly=True)
    domain = database.value("DomainName") or "localdomain"
    names = [f"{database.value('SystemName') or 'localhost'}.{domain}".lower()]
    hosts = Database("hosts", readonly=True)
    names += [host.key.lower() for host in hosts.records("host") if host.get("HostType") == "Self"]
    configuration = record.load(database)
    next_hops = extras.values("next_hop", wanted.in_force(configuration, database), extras.load(database))
    smart_host = wanted.host_smart_host(database)
    return Host(database, configuration, smart_host, list(dict.fromkeys(names)), domain.lower(), next_hops)
