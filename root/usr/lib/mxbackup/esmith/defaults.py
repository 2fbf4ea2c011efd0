"""Gives each database its defaults: the folders of /etc/e-smith/db, one for each database.

    /etc/e-smith/db/DATABASE/defaults/KEY/PROPERTY    set where the record has no such property
    /etc/e-smith/db/DATABASE/force/KEY/PROPERTY       set whatever is there

A file holds one value; `type` holds the record's type. Packages put theirs there and run
initialize-default-databases.
"""

import os

from esmith import paths
from esmith.database import Database
from esmith.errors import EsmithError, FormatError
from esmith.records import decode
from esmith.templates import LEFT_OVERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Tuple

    Say = Callable[[str], object]


def initialize(say: "Say") -> bool:
    """Make or complete every database that has a folder of defaults; whether all could be done (bool).

    `say(text)` is called with each line (str) for the administrator.
    """
    good = True
    folder = paths.defaults()
    for name in _names(folder, say):
        if os.path.isdir(paths.given(folder) + "/" + name):
            try:
                good = _initialize(folder + "/" + name, name, say) and good
            except EsmithError as error:
                say(str(error))
                good = False
            except OSError as error:
                say(f"{error.filename or name}: {error.strerror}")
                good = False
    return good


def _initialize(folder: str, name: str, say: "Say") -> bool:
    os.makedirs(paths.given(paths.databases()), exist_ok=True)
    database = Database(name, lazy=True)
    if database.label == "/home/e-smith/" + name:
        # Where early releases had it.
        place = paths.databases() + "/" + name
        say(f"Rename {database.label} => {place}")
        os.rename(database.path, paths.given(place))
        database = Database(name, lazy=True)
    if os.path.exists(database.path):
        say(f"Migrating existing database {name}")
    else:
        say(f"Creating database {name} and setting defaults")
    defaults, good = _read(folder + "/defaults", say)
    forced, forced_good = _read(folder + "/force", say)
    if _names(folder + "/migrate", say):
        say(f"{folder}/migrate: Perl fragments, which only the Perl engine runs")
    good = good and forced_good
    with database.transaction():
        for key in sorted(defaults.keys() | forced.keys(), key=os.fsencode):
            try:
                _complete(database, key, defaults.get(key, {}), forced.get(key, {}))
            except FormatError as error:
                say(f"{folder}: {error}")
                good = False
    Database(name, create=True).own()
    return good


def _complete(database: Database, key: str, defaults: "Dict[str, str]", forced: "Dict[str, str]") -> None:
    record = database.get(key)
    if record is None:
        props = dict(defaults, **forced)
        database.set(key, props.pop("type", ""), props)
        return
    type_ = forced.pop("type", record.type)
    props = {prop: value for prop, value in defaults.items() if prop != "type" and prop not in record.props}
    props.update(forced)
    if props:
        record.merge(props)
    if type_ != record.type:
        database.set_type(key, type_)


def _read(folder: str, say: "Say") -> "Tuple[Dict[str, Dict[str, str]], bool]":
    """What files below `folder` give, {key: {property: value}} of str, and whether all could be read."""
    values: Dict[str, Dict[str, str]] = {}
    good = True
    for key in _names(folder, say):
        place = folder + "/" + key
        if not os.path.isdir(paths.given(place)):
            say(f"Found non-directory {key} in {folder}")
            continue
        values[key] = {}
        for prop in _names(place, say):
            try:
                with open(paths.given(place + "/" + prop), "rb") as file:
                    value = decode(file.read())
            except OSError as error:
                say(f"{place}/{prop}: {error.strerror}")
                good = False
                continue
            values[key][prop] = value[:-1] if value.endswith("\n") else value
    return values, good


def _names(folder: str, say: "Say") -> "List[str]":
    """The names in a folder, in byte order, without hidden ones and what editors and rpm leave."""
    try:
        names = os.listdir(paths.given(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        say(f"{folder}: {error.strerror}")
        return []
    return sorted((n for n in names if not n.startswith(".") and not n.endswith(LEFT_OVERS)), key=os.fsencode)
