"""The two places where the demo can happen: a throwaway root, or a sandbox folder."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT / "tests"))

from sandbox import Sandbox
from throwaway_root import ThrowawayRoot, Unavailable

__all__ = ["SandboxHost", "ThrowawayHost", "Unavailable"]


class ThrowawayHost:
    """A copy of this machine's `/` that disappears: packages go in with the real rpm."""

    prompt = "[root@sme]# "

    def __init__(self):
        self.root = ThrowawayRoot()
        # Debian's own packages are unknown to rpm: a stand-in says that they are there.
        self.root.provide_debian()

    def install(self, packages):
        names = [package.name for package in packages]
        inside = [self.root.copy(package) for package in packages]
        done = self.root.run(["rpm", "-Uvh", *inside])
        messages = [line for line in done.stderr.splitlines() if not line.startswith("rpm: ")]
        return f"rpm -Uvh {' '.join(names)}", done.returncode, done.stdout + "\n".join(messages)

    def path(self, path):
        return self.root / path

    def run(self, argv):
        done = self.root.run(argv)
        return done.returncode, done.stdout + done.stderr

    def close(self):
        self.root.close()


class SandboxHost:
    """A folder that the commands take for `/` (ESMITH_ROOT): needs no rights at all."""

    prompt = "[sandbox]$ "

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mxbackup-demo-")
        self.sandbox = Sandbox(self.folder.name)

    def install(self, packages):
        """Unpack the packages' files here, or lay out the checkout's where there is no rpm."""
        if packages and shutil.which("rpm2cpio") and shutil.which("cpio"):
            for package in packages:
                payload = subprocess.run(["rpm2cpio", str(package)], stdout=subprocess.PIPE, check=True)
                subprocess.run(["cpio", "-idmu", "--quiet"], input=payload.stdout, cwd=self.folder.name, check=True)
            typed = "rpm2cpio … | cpio -idm    (files only, no scriptlets)"
        else:
            shutil.copytree(CHECKOUT / "root", self.folder.name, symlinks=True, dirs_exist_ok=True)
            typed = "cp -a root/. sandbox    (the tree itself, no packages)"
        status, output = self.run(["initialize-default-databases"])
        return typed, status, output

    def path(self, path):
        return self.sandbox / path

    def run(self, argv):
        folders = "usr/sbin", "sbin/e-smith", "etc/e-smith/events/actions", "usr/bin"
        programs = [self.sandbox / folder / argv[0] for folder in folders]
        program = next((str(path) for path in programs if path.exists()), argv[0])
        arguments = [str(self.sandbox / a) if argv[0] == "cat" else a for a in argv[1:]]
        done = subprocess.run([program, *arguments], env=self.sandbox.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout

    def close(self):
        self.folder.cleanup()


def what_is_missing_for_a_throwaway_root():
    """Return why the demo has to make do with a sandbox, or None: (reason)."""
    return None if os.geteuid() == 0 else "it takes root's rights"
