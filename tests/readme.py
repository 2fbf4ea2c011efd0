"""The README's sessions: what it says was typed, and what it says came out."""

import pathlib
import subprocess
import sys
import tempfile

from sandbox import CHECKOUT

sys.path[:0] = [str(CHECKOUT / "demo"), str(CHECKOUT / "tests/check")]

import places  # noqa: E402
import world  # noqa: E402

HOST, FRIEND = "    [root@sme]# ", "    [friend@elsewhere]$ "


def sessions(text):
    """Yield (prompt, command, output lines) for each command that the document `text` shows."""
    current = None
    for line in text.splitlines() + [""]:
        prompt = next((p for p in (HOST, FRIEND) if line.startswith(p)), None)
        if current and (prompt or not line.startswith("    ")):
            yield current
            current = None
        if prompt:
            current = (prompt, line[len(prompt):], [])
        elif current:
            current[2].append(line[4:])


class Replay:
    """A fresh host and its friend elsewhere, where the commands are typed again; `dist` has the packages."""

    def __init__(self, dist):
        self.dist = pathlib.Path(dist)
        self.host = places.ThrowawayHost()
        self.host.path("/var/qmail/control").mkdir(parents=True)

    def type(self, prompt, command):
        """Type `command` at `prompt`; returns its output's lines."""
        if prompt == FRIEND:
            output = self.friend(command.partition("mxbackup check ")[2].split())
        elif command.startswith("rpm -Uvh"):
            output = self.host.install(self.dist)[2]
        else:
            output = self.host.run(["sh", "-c", command])[1]
        # Debian's rpm adds that it is not Debian's package manager.
        lines = [line.rstrip() for line in output.splitlines()]
        return [line for line in lines if line and not line.startswith("rpm: ")]

    def friend(self, arguments):
        control = self.host.path("/var/qmail/control")
        with tempfile.TemporaryDirectory() as folder, world.serving(pathlib.Path(folder), control) as internet:
            return internet.check(*arguments).stdout

    def close(self):
        self.host.close()


def packages(folder):
    """Build the packages into `folder`."""
    subprocess.run([str(CHECKOUT / "packaging/build-rpms"), "--worktree", str(folder)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
