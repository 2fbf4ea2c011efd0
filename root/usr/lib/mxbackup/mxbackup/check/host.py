"""This host as its databases describe it: who it is, and which rules it has. Other machines have none."""

import os


class Host:
    """What the databases say.

    database       the configuration Database, read-only
    configuration  record.Configuration: the rules, the smart host, whether the rules are in force
    names          list of str: the host's own names, the first being the one it uses itself
    domain         str: its own domain
    """

    def __init__(self, database, configuration, names, domain):
        self.database = database
        self.configuration = configuration
        self.names = names
        self.domain = domain

    @property
    def name(self):
        return self.names[0]


def load():
    """Return this machine's Host, or None where there is no configuration database. Raises DatabaseError."""
    from esmith import paths
    if not os.path.exists(paths.given(paths.database("configuration"))):
        return None
    from esmith.database import Database
    from mxbackup.rules import record
    database = Database("configuration", readonly=True)
    domain = database.value("DomainName") or "localdomain"
    names = [f"{database.value('SystemName') or 'localhost'}.{domain}".lower()]
    hosts = Database("hosts", readonly=True)
    names += [host.key.lower() for host in hosts.records("host") if host.get("HostType") == "Self"]
    return Host(database, record.load(database), list(dict.fromkeys(names)), domain.lower())
