"""Where things are: every absolute path of the engine goes through here."""

from os import environ
from os.path import exists, isfile


def rooted(path: str) -> str:
    """Return the absolute `path` (str) below ESMITH_ROOT, or unchanged where that is not set."""
    root = environ.get("ESMITH_ROOT", "")
    return root.rstrip("/") + path if root else path


def given(path: str) -> str:
    """Return a `path` (str) that a user gave, below ESMITH_ROOT unless it is there already, or relative."""
    root = environ.get("ESMITH_ROOT", "").rstrip("/")
    return path if root and (path + "/").startswith(root + "/") or path[:1] != "/" else rooted(path)


def databases() -> str:
    """The folder of the databases, not rooted: DBPATH, or /home/e-smith/db."""
    return environ.get("DBPATH") or "/home/e-smith/db"


def database(name: str) -> str:
    """The file (not rooted) of the database `name`, or of the absolute path `name`.

    ESMITH_CONFIG_DB names the file of `configuration`. A database that is only in the place where
    early releases kept it, /home/e-smith, is used there.
    """
    if name == "configuration" and environ.get("ESMITH_CONFIG_DB"):
        name = environ["ESMITH_CONFIG_DB"]
    if name.startswith("/"):
        return name
    path = databases().rstrip("/") + "/" + name
    if not environ.get("DBPATH"):
        old = "/home/e-smith/" + name
        if not exists(rooted(path)) and isfile(rooted(old)):
            return old
    return path


def defaults() -> str:
    """The folder of the databases' defaults, not rooted: ESMITH_DB_DEFAULTSDIR, or /etc/e-smith/db."""
    return environ.get("ESMITH_DB_DEFAULTSDIR") or "/etc/e-smith/db"
