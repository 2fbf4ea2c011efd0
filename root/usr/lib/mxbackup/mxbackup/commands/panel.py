"""Serve the panel in a browser on this host, or set its password.

For hosts without a server-manager. The panel listens on the loopback address only; from elsewhere reach it
through ssh: ssh -L 9825:127.0.0.1:9825 root@HOST, then open http://127.0.0.1:9825/ in the browser. It asks
for the password that --set-password sets: asked for twice on a terminal, else the first line of input.
"""

import os
import sys

from esmith.errors import EsmithError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

PORT = 9825
EXAMPLES = """\
mxbackup panel --set-password
mxbackup panel
systemctl enable --now mxbackup-panel
"""


def add_arguments(parser: "ArgumentParser") -> None:
    """Add this subcommand's arguments to `parser`."""
    parser.add_argument("--port", type=int, default=PORT, metavar="N",
                        help="the port on 127.0.0.1 (default %(default)s; 0: any that is free)")
    parser.add_argument("--set-password", action="store_true", help="set the password and end")


def run(options: "Namespace") -> int:
    """Serve until stopped, or set the password; returns the exit status (int)."""
    from mxbackup.terminal import WrongUse

    if not 0 <= options.port < 65536:
        raise WrongUse(f"--port {options.port}: a port is a number up to 65535")
    if options.set_password:
        return _set_password()
    return _serve(options.port)


def _set_password() -> int:
    from mxbackup.panel import login
    from mxbackup.terminal import WrongUse

    if sys.stdin.isatty():
        from getpass import getpass

        password = getpass("New password of the panel: ")
        if getpass("Once more: ") != password:
            raise WrongUse("the two passwords differ; nothing was changed")
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        login.set_password(password)
    except login.PasswordError as error:
        raise WrongUse(str(error)) from None
    print("The password is set.")
    return 0


def _serve(port: int) -> int:
    from contextlib import suppress

    from mxbackup.panel import login

    if not login.password_is_set():
        raise login.PasswordError("no password has been set: run mxbackup panel --set-password")
    from mxbackup.panel.application import Panel
    from mxbackup.panel.server import Server

    os.umask(0o022)
    try:
        server = Server(port, Panel(login.Door()))
    except OSError as error:
        raise EsmithError(
            f"port {port} of 127.0.0.1 cannot be had: {error.strerror}; choose another by --port, or see who has it:"
            f" ss -ltnp sport = :{port}") from None
    print(f"The panel is at http://{server.server_name}:{server.server_port}/", flush=True)
    with suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0
