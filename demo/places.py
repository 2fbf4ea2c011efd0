"""The two places where the demo can happen: a throwaway root, or a sandbox folder."""

import pathlib
import shutil
import subprocess
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests/check")]

from sandbox import Sandbox  # noqa: E402
from throwaway_root import ThrowawayRoot, distribution_package  # noqa: E402

PACKAGES = "e-smith-python", "smeserver-mxbackup-utf8"


class ThrowawayHost:
    """A copy of this machine's `/` that disappears; packages go in with the real rpm."""

    title = "a throwaway root, an overlay of / (its server-manager is a stand-in)"
    prompt = "[root@sme]# "

    def __init__(self):
        """Raises throwaway_root.Unavailable where the machine does not allow it."""
        self.root = ThrowawayRoot()
        with tempfile.TemporaryDirectory() as folder:
            # rpm does not know Debian's packages: a stand-in of ours says which are there.
            self.root.rpm("-U", distribution_package(folder))

    def install(self, dist):
        """Install the packages in the folder `dist`; returns (typed, status, output)."""
        files = [next(dist.glob(f"{name}-[0-9]*.noarch.rpm")) for name in PACKAGES]
        argv = ["rpm", "-Uvh", *(file.name for file in files)]
        done = self.root.rpm("-Uvh", *files, check=False)
        return " ".join(argv), done.returncode, done.stdout + done.stderr

    def path(self, path):
        """Where `path` of the host is, seen from here (pathlib.Path)."""
        return self.root / path

    def run(self, argv):
        """Run `argv` there as a login shell would; returns (status, output)."""
        done = self.root.run(["sh", "-lc", 'exec "$@"', "sh", *argv])
        return done.returncode, done.stdout + done.stderr

    def close(self):
        self.root.close()


class SandboxHost:
    """A folder that the commands take for `/` (ESMITH_ROOT): needs no rights at all."""

    title = "a sandbox folder that the commands take for / (ESMITH_ROOT)"
    prompt = "[sandbox]$ "

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mxbackup-demo-")
        self.sandbox = Sandbox(self.folder.name)

    def install(self, dist):
        """Unpack the packages' files, or lay out the tree where there are none; as ThrowawayHost's."""
        if dist and shutil.which("rpm2cpio") and shutil.which("cpio"):
            for name in PACKAGES:
                package = next(dist.glob(f"{name}-[0-9]*.noarch.rpm"))
                payload = subprocess.run(["rpm2cpio", str(package)], stdout=subprocess.PIPE, check=True)
                subprocess.run(["cpio", "-idmu", "--quiet"], input=payload.stdout, cwd=self.folder.name,
                               check=True)
            typed = "rpm2cpio PACKAGE | cpio -idm        (their files; rpm itself is left out)"
        else:
            shutil.copytree(CHECKOUT / "root", self.folder.name, symlinks=True, dirs_exist_ok=True)
            typed = "cp -a root/. SANDBOX                (the tree itself; the packages are left out)"
        status, output = self.run(["/etc/e-smith/events/actions/initialize-default-databases"])
        return typed, status, output

    def path(self, path):
        return self.sandbox / path

    def run(self, argv):
        folders = "", "usr/sbin", "sbin/e-smith"
        programs = [self.sandbox / folder / argv[0].lstrip("/") for folder in folders]
        program = next((str(path) for path in programs if path.is_file()), argv[0])
        # A program of the system's own, such as cat, knows no ESMITH_ROOT.
        arguments = argv[1:] if program != argv[0] else [str(self.path(a)) for a in argv[1:]]
        done = subprocess.run([program, *arguments], env=self.sandbox.environment, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout

    def close(self):
        self.folder.cleanup()
