"""The engine's exceptions: one base, one class for each thing a caller may want to tell apart."""


class EsmithError(Exception):
    """Anything the engine refuses or fails to do; its text is a message for an administrator."""


class DatabaseError(EsmithError):
    """A database cannot be read or written; the text names its file."""


class FormatError(DatabaseError):
    """A key, type, property or value that the database format cannot hold; nothing was changed."""


class TemplateError(EsmithError):
    """A template cannot be expanded; the text names the fragment and line, the output is as it was."""


class EventError(EsmithError):
    """An event does not exist or cannot be run."""


class NoRecordError(DatabaseError, KeyError):
    """A database has no record of that key."""

    # KeyError shows its argument as a literal; this is a sentence.
    __str__ = Exception.__str__


class RecordExistsError(DatabaseError):
    """A record of that key is there already; nothing was changed."""
