"""From the record to what each mail server is to do: the one place where the rules become a Wanted."""

import os

from mxbackup import mailservers
from mxbackup.mailfiles import own
from mxbackup.mailservers.shape import Wanted
from mxbackup.rules import extras, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional

    from esmith.database import Database
    from mxbackup.mailservers.shape import MailServer


def wanted(server: "MailServer", db: "Optional[Database]" = None) -> Wanted:
    """Return what `server` is to do by the configuration Database `db` (the host's where None).

    Raises EsmithError: ExtrasError where the extras of a rule in force are not to be understood.
    """
    if db is None:
        db = record.open_configuration(readonly=True)
    return as_if(server, in_force(record.load(db), db), db)


def as_if(server: "MailServer", kinds: "Dict[str, str]", db: "Database") -> Wanted:
    """Return the same with the rules `kinds` (dict name -> kind) in force, whatever the record says."""
    # With no rule in force nothing is asked that could stop a withdrawal.
    next_hops = extras.values("next_hop", kinds, extras.load(db)) if kinds else {}
    return Wanted(kinds, smart_host(server, db), next_hops)


def smart_host(server: "MailServer", db: "Database") -> str:
    """Return the smart host as `server` sees it, "" for none."""
    return server.smart_host(db) if server.smart_host else ""


def host_smart_host(db: "Database") -> str:
    """Return the smart host that this host sends its mail to, "" for none: as the first server with one sees it."""
    here = [server for server in mailservers.servers() if server.smart_host]
    here.sort(key=lambda server: not server.applies())
    return next(filter(None, (smart_host(server, db) for server in here)), "")


def withheld() -> bool:
    """Tell whether MXBACKUP_WITHHOLD=1 withholds every rule, as before the package goes."""
    return os.environ.get("MXBACKUP_WITHHOLD") == "1"


def in_force(configuration: "record.Configuration", db: "Database") -> "Dict[str, str]":
    """Return the rules that count now (dict name -> kind): none where they are off or withheld, or for an own name.

    Raises EsmithError where the own names cannot be told.
    """
    if not configuration.enabled or withheld() or not configuration.rules:
        return {}
    return own.parted(configuration.rules.kinds, db)[0]
