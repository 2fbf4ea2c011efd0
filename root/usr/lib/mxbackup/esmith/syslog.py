"""Sends lines to the system's log, as the engine's own: facility local1, level info (RFC 3164)."""

import os
import sys

from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_PRIORITY = 17 * 8 + 6
# The kernel's longest name of a Unix socket is 108 bytes with its final zero.
_LONGEST_NAME = 107
# More than any log keeps of a line, less than a datagram holds.
_LONGEST_TEXT = 1 << 16
# Seconds that a log may take to read a line. A log that took longer once is not waited for again.
_patience = 1


def log(*texts: str, program: "Optional[str]" = None) -> None:
    """Send each text (str) as one datagram to /dev/log; where nobody listens it is dropped.

    `program` (str): in whose name, this command's unless given. Each byte outside ASCII becomes `_`.
    A log that does not read delays the process for a second at most.
    """
    global _patience
    import _socket

    program = program or os.path.basename(sys.argv[0]) or "esmith"
    header = f"<{_PRIORITY}>{program}[{os.getpid()}]: "
    path = os.fsencode(rooted("/dev/log"))
    folder = None
    try:
        sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            if len(path) > _LONGEST_NAME:
                folder = os.open(os.path.dirname(path), os.O_PATH | os.O_CLOEXEC)
                path = b"/proc/self/fd/%d/log" % folder
            sender.settimeout(_patience)
            sender.connect(path)
            for text in texts:
                message = os.fsencode(header + text)[:_LONGEST_TEXT].decode("ascii", "replace")
                sender.send(message.replace("\ufffd", "_").encode("ascii"))
        except _socket.timeout:
            _patience = 0
        finally:
            sender.close()
            if folder is not None:
                os.close(folder)
    except OSError:
        pass
