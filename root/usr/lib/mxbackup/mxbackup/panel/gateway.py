"""The panel's door in the server-manager: one page a run, as CGI (RFC 3875)."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

SUDO = "/usr/bin/sudo"
# What a program that became root through a setuid wrapper takes over from whoever started that: RFC 3875 4.1, and
# HTTPS, which web servers add. Anything else could lead it to other files or programs.
REQUEST = frozenset((
    "AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "GATEWAY_INTERFACE", "HTTPS", "HTTP_ACCEPT_LANGUAGE", "PATH_INFO",
    "QUERY_STRING", "REMOTE_ADDR", "REMOTE_USER", "REQUEST_METHOD", "SCRIPT_NAME", "SERVER_NAME", "SERVER_PORT",
    "SERVER_PROTOCOL",
))
PATH = "/sbin/e-smith:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> int:
    """Answer the one request that the environment holds; returns the exit status (int)."""
    if os.geteuid() == 0 and os.getuid() != 0:
        _become_root()
    if "GATEWAY_INTERFACE" not in os.environ:
        sys.stderr.write("mxbackup: this is a page of the server-manager, run by its web server as CGI\n")
        return 2
    os.umask(0o022)
    allowed = os.environ.get("REMOTE_USER")
    is_root = os.geteuid() == 0 or os.environ.get("ESMITH_ROOT")
    if allowed and not is_root and _run_as_root():
        return 0
    # Whatever an event's handler prints goes to the web server's log, not into the page.
    try:
        with open(os.dup(1), "wb") as page:
            os.dup2(2, 1)
            if not allowed:
                _refuse(page, "403 Forbidden", "ERR_NO_USER")
            elif not is_root:
                _refuse(page, "500 Internal Server Error", "ERR_NOT_ROOT")
            else:
                _answer(page)
    except BrokenPipeError:
        os._exit(1)  # the browser has gone, and so has what the page was written to
    return 0


def _become_root() -> None:
    """Be root as the wrapper's owner is, not in effect alone: Perl's taint checks would stop each handler."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    for name in set(os.environ) - REQUEST:
        del os.environ[name]
    os.environ["PATH"] = PATH


def _run_as_root() -> bool:
    """Let sudo run this program as root, where it has a rule; return whether that answered the request."""
    try:
        return os.spawnv(os.P_WAIT, SUDO, ["sudo", "-n", os.path.realpath(sys.argv[0])]) == 0
    except OSError:
        return False


def _answer(page: "IO[bytes]") -> None:
    from wsgiref.handlers import BaseCGIHandler, read_environ

    from mxbackup.panel.application import Panel

    BaseCGIHandler(sys.stdin.buffer, page, sys.stderr, read_environ(), False, True).run(Panel())


def _refuse(page: "IO[bytes]", status: str, entry: str) -> None:
    """Answer without the application: whoever asks may see nothing of it."""
    from mxbackup.panel.lexicon import Lexicon, charset, choose

    encoding = charset()
    text = Lexicon(choose(os.environ.get("HTTP_ACCEPT_LANGUAGE", "")), encoding)(entry)
    head = (f"Status: {status}", f"Content-Type: text/plain; charset={encoding}", "Cache-Control: no-store")
    page.write(("\r\n".join((*head, "", text)) + "\n").encode(encoding))
