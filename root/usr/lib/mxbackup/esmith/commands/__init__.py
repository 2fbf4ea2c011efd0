"""The commands of /sbin/e-smith, a module each: they know arguments and exit statuses, and nothing of mail."""

import os

from esmith.errors import EsmithError


def out(data: bytes) -> None:
    """Print bytes; a reader that went away ends the command as it would any other (signal(7): SIGPIPE).

    Raises EsmithError where they cannot be written.
    """
    import _signal

    _signal.signal(_signal.SIGPIPE, _signal.SIG_DFL)
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(1, view):]
        except OSError as error:
            raise EsmithError(f"standard output: {error.strerror}") from error
