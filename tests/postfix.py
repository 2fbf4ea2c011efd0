"""The real Postfix in a place of its own, for the tests, the demo and the bench: never the machine's.

    with postfix.start(folder, "relayhost = [192.0.2.9]\n") as server:
        … talk SMTP to server.address; configure the folder with ESMITH_ROOT on it …

`folder` stands for `/`: its configuration is in etc/postfix, its queue in var/spool/postfix. What Postfix does for
strangers is what counts here, so mynetworks is empty unless the settings say otherwise. It takes root's rights.
"""

import pathlib
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager

PROGRAM = "/usr/sbin/postfix"
NEEDS = "root", "postfix"

# Debian's services; nothing is in a chroot but what the test puts there.
MASTER = """\
{listen}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

# Where its things are, then who it is. A test's own settings come after: the last of two lines counts.
PLACES = """\
queue_directory = {root}/var/spool/postfix
data_directory = {root}/var/lib/postfix
maillog_file = {root}/var/log/postfix
maillog_file_prefixes = {root}
"""
SETTINGS = """\
compatibility_level = 3.6
myhostname = mail.doecom.net
mydestination = mail.doecom.net
inet_interfaces = {listen}
mynetworks =
alias_maps =
smtpd_peername_lookup = no
"""


class Postfix:
    """One Postfix: its `root` and `etc` (folders, pathlib.Path), its `address` (host, port).

    `inside`: a command to put before each of its own, such as nsenter's. `seen`: the path of `root` where those run,
    which other users must be able to enter.
    """

    def __init__(self, root, settings="", listen="127.0.0.1", port=0, inside=(), seen=None, main=None):
        """Lay it out below `root`. `main`: the whole text of main.cf in place of SETTINGS and `settings`; {places}
        in it stands for PLACES."""
        self.root = pathlib.Path(root)
        self.etc = self.root / "etc/postfix"
        self._inside = list(inside)
        self._seen = str(root if seen is None else seen).rstrip("/")
        self.address = listen, port or free_port(listen)
        for folder in ("etc/postfix", "var/spool/postfix", "var/lib/postfix", "var/log"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        shutil.chown(self.root / "var/lib/postfix", "postfix")
        places = PLACES.format(root=self._seen)
        if main is None:
            main = places + SETTINGS.format(listen=listen) + settings
        self.main = self.etc / "main.cf"
        self.main.write_text(main.replace("{places}", places))
        (self.etc / "master.cf").write_text(MASTER.format(listen=listen, port=self.address[1]))

    def run(self, program, *arguments, check=True, sent=None, timeout=60):
        """Run one of Postfix's programs on this configuration; returns subprocess.CompletedProcess, text."""
        done = subprocess.run([*self._inside, f"/usr/sbin/{program}", "-c", f"{self._seen}/etc/postfix", *arguments],
                              capture_output=True, text=True, check=False, input=sent, timeout=timeout)
        if check and done.returncode:
            raise AssertionError(f"{program} {' '.join(arguments)}: status {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}{self.log()}")
        return done

    def start(self):
        """Start it; returns when it answers. A second start does nothing."""
        if self.run("postfix", "status", check=False).returncode:
            self.run("postfix", "start")
        return self

    def stop(self):
        """Stop it and all its processes."""
        if not self.run("postfix", "status", check=False).returncode:
            self.run("postfix", "stop")

    def reload(self):
        """Let it read its configuration and its maps again."""
        self.run("postfix", "reload")

    def set(self, *settings):
        """Set `name = value` each, as an administrator does by `postconf -e`."""
        self.run("postconf", "-e", *settings)

    def settings(self):
        """What main.cf sets, a line each (list of str), as `postconf -n` says it."""
        return self.run("postconf", "-n").stdout.splitlines()

    def value(self, name):
        """The value (str) of one setting."""
        return self.run("postconf", "-h", name).stdout.rstrip("\n")

    def log(self):
        """What it logged so far (str)."""
        log = self.root / "var/log/postfix"
        return log.read_text(errors="replace") if log.exists() else ""


def free_port(address="127.0.0.1"):
    """A TCP port of `address` that nobody uses at this moment (int)."""
    with socket.create_server((address, 0)) as server:
        return server.getsockname()[1]


@contextmanager
def place():
    """A folder that Postfix's own user can enter, which a test's folder is not (pathlib.Path); gone afterwards."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="postfix-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def start(root, settings="", **options):
    """A running Postfix below the folder `root`, with `settings` (lines of main.cf); `options` as for Postfix."""
    server = Postfix(root, settings, **options)
    try:
        yield server.start()
    finally:
        server.stop()
