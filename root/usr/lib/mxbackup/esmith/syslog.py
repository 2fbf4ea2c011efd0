"""Sends lines to the system's log, as the engine's own: facility local1, level info (RFC 3164)."""

import os

from esmith.paths import rooted

_PRIORITY = 17 * 8 + 6
# The kernel's longest name of a Unix socket is 108 bytes with its final zero.
_LONGEST_NAME = 107


def log(text, program="esmith"):
    """Send `text` (str) as one datagram to /dev/log; where nobody listens it is dropped.

    Bytes outside ASCII become `_`, each; it never waits for a log that does not read.
    """
    import _socket

    message = os.fsencode(text).decode("ascii", "replace").replace("\ufffd", "_")
    header = "<%d>%s[%d]: " % (_PRIORITY, program, os.getpid())
    path = os.fsencode(rooted("/dev/log"))
    folder = None
    try:
        sender = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        try:
            if len(path) > _LONGEST_NAME:
                folder = os.open(os.path.dirname(path), os.O_PATH | os.O_CLOEXEC)
                path = b"/proc/self/fd/%d/log" % folder
            # One second for a busy log, and then the line is given up.
            sender.settimeout(1)
            sender.connect(path)
            sender.send((header + message).encode("ascii"))
        finally:
            sender.close()
            if folder is not None:
                os.close(folder)
    except OSError:
        pass
