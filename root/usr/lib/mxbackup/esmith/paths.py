"""Where things are: every absolute path of the engine goes through here."""

from os import environ


def rooted(path):
    """Return the absolute `path` (str) below ESMITH_ROOT, or unchanged where that is not set."""
    root = environ.get("ESMITH_ROOT", "")
    return root.rstrip("/") + path if root else path
