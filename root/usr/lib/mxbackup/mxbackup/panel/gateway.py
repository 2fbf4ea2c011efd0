"""The panel's door in the server-manager: one page a run, as CGI (RFC 3875)."""

import os
import sys


def main():
    """Answer the one request that the environment holds; returns the exit status (int)."""
    if "GATEWAY_INTERFACE" not in os.environ:
        sys.stderr.write("mxbackup: this is a page of the server-manager, run by its web server as CGI\n")
        return 2
    os.umask(0o022)
    # Whatever an event's handler prints goes to the web server's log, not into the page.
    page = open(os.dup(1), "wb")
    os.dup2(2, 1)
    if not os.environ.get("REMOTE_USER"):
        _refuse(page, "403 Forbidden", "ERR_NO_USER")
    elif os.geteuid() != 0 and not os.environ.get("ESMITH_ROOT"):
        _refuse(page, "500 Internal Server Error", "ERR_NOT_ROOT")
    else:
        from wsgiref.handlers import BaseCGIHandler, read_environ

        from mxbackup.panel.application import Panel

        handler = BaseCGIHandler(sys.stdin.buffer, page, sys.stderr, read_environ(), False, True)
        handler.run(Panel())
    page.close()
    return 0


def _refuse(page, status, entry):
    """Answer without the application: whoever asks may see nothing of it."""
    from mxbackup.panel.lexicon import Lexicon, charset, choose

    encoding = charset()
    text = Lexicon(choose(os.environ.get("HTTP_ACCEPT_LANGUAGE", "")), encoding)(entry)
    head = ("Status: " + status, "Content-Type: text/plain; charset=" + encoding, "Cache-Control: no-store", "")
    page.write(("\r\n".join(head) + "\r\n" + text + "\n").encode(encoding))
