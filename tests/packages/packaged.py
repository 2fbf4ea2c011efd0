"""The packages that a test run builds, once for all its processes."""

import fcntl
import shutil


def once(tmp_path_factory, name, make):
    """Return the folder `name` that `make(folder)` filled, once for all processes of this test run."""
    # Under pytest-xdist each process has a folder of its own in that of the run.
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-"):
        shared = shared.parent
    folder, done = shared / name, shared / f"{name}.done"
    with open(shared / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


class Built:
    """The packages, by name: built.utf8, built.latin1, built.engine (pathlib.Path of the RPM)."""

    def __init__(self, folder):
        self.folder = folder
        self.utf8, = folder.glob("smeserver-mxbackup-utf8-*.noarch.rpm")
        self.latin1, = set(folder.glob("smeserver-mxbackup-*.noarch.rpm")) - {self.utf8}
        self.engine, = folder.glob("e-smith-python-*.noarch.rpm")
        self.version = self.utf8.name.split("-")[3]
        self.sources = sorted(folder.glob("*.src.rpm"))
