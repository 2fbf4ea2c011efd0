"""The real mailfront behind a socket, as tcpserver would run it: for the tests and the demo.

    server = mailfront.start(root / "var/qmail/control")
    … talk SMTP to server.address …
    server.stop()

As a program, `python3 mailfront.py CONTROL` prints `ADDRESS PORT` and serves until it is killed.
"""

import argparse
import collections
import os
import pathlib
import signal
import socket
import subprocess
import sys

import needs

PROGRAM = "/usr/sbin/mailfront"
PLUGINS = ("relayclient", "qmail-validate", "add-received")


class Mailfront(collections.namedtuple("Mailfront", "process address")):
    """A running server: its listener's process and its address, (host, port)."""

    def stop(self):
        """End the listener and the dialogues it has under way; returns when they are gone."""
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stop()


def start(control, address="127.0.0.1", port=0, name="sme.doecom.net", remote=None, relay=False,
          queue=None, plugins=PLUGINS, inside=()):
    """Start mailfront on qmail's control files in the folder `control`, whose name must be control.

    `port` 0 lets the kernel choose. `name` is in the greeting. `remote` is the client's address that
    mailfront is told (TCPREMOTEIP) instead of the real one; `relay` sets RELAYCLIENT, as for a client
    that may relay. Messages go to files in the folder `queue`/new, or nowhere. `inside` is a command
    to put before the listener's, such as nsenter's.
    """
    command = [*inside, sys.executable, __file__, str(control), "--listen", address, "--port", str(port),
               "--name", name, "--plugins", ":".join(plugins)]
    command += ["--remote", remote] if remote else []
    command += ["--relay"] if relay else []
    command += ["--queue", str(queue)] if queue else []
    needs.require("mailfront")
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    host, _, port = process.stdout.readline().rstrip("\n").rpartition(" ")
    if not host:
        process.wait(10)
        raise RuntimeError("mailfront did not start: see its message above")
    return Mailfront(process, (host, int(port)))


def messages(queue):
    """Return the messages that the queuedir backend kept: (sender, [recipient, …], text) each."""
    found = []
    for file in sorted(pathlib.Path(queue, "new").iterdir()):
        envelope, _, text = file.read_bytes().partition(b"\0\0")
        sender, *recipients = envelope.decode().split("\0")
        found.append((sender, recipients, text.decode()))
    return found


def _environment(options, connection, peer):
    """Return what tcpserver and a tcprules file would tell mailfront of this `connection`."""
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PROTO": "TCP", "QMAILHOME": str(options.control.parent),
        "TCPLOCALHOST": options.name, "TCPLOCALIP": connection.getsockname()[0],
        "TCPREMOTEIP": options.remote or peer[0], "TIMEOUT": "60",
    }
    if options.relay:
        environment["RELAYCLIENT"] = ""
    if options.queue:
        environment["QUEUEDIR"] = str(options.queue)
    return environment


def _serve(options):
    listener = socket.create_server((options.listen, options.port), backlog=200,
                                    family=socket.AF_INET6 if ":" in options.listen else socket.AF_INET)
    command = [PROGRAM, "smtp", "queuedir" if options.queue else "echo", *options.plugins.split(":")]
    dialogues = set()

    def reap(*_):
        try:
            while dialogues:
                pid = os.waitpid(-1, os.WNOHANG)[0]
                if not pid:
                    break
                dialogues.discard(pid)
        except ChildProcessError:
            dialogues.clear()

    def stop(*_):
        for pid in dialogues:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    print(options.listen, listener.getsockname()[1], flush=True)
    while True:
        connection, peer = listener.accept()
        reap()
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.dup2(connection.fileno(), 0)
            os.dup2(connection.fileno(), 1)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            try:
                os.execve(command[0], command, _environment(options, connection, peer))
            finally:
                os._exit(111)
        dialogues.add(pid)
        connection.close()


def main():
    parser = argparse.ArgumentParser(description="Serve SMTP with mailfront on qmail's control files.")
    parser.add_argument("control", type=lambda path: pathlib.Path(path).absolute())
    parser.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", default="sme.doecom.net", help="the name in the greeting")
    parser.add_argument("--remote", metavar="IP", help="the client's address, instead of the real one")
    parser.add_argument("--relay", action="store_true", help="the client may relay")
    parser.add_argument("--queue", metavar="FOLDER", help="keep messages in FOLDER/new")
    parser.add_argument("--plugins", default=":".join(PLUGINS))
    options = parser.parse_args()
    if options.control.name != "control":
        parser.error(f"{options.control}: mailfront wants a folder called control")
    if options.queue:
        options.queue = pathlib.Path(options.queue).absolute()
        for folder in ("new", "tmp"):
            (options.queue / folder).mkdir(parents=True, exist_ok=True)
    _serve(options)


if __name__ == "__main__":
    main()
