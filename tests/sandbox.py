"""A folder that stands for `/`: commands of the checkout run with ESMITH_ROOT on it."""

import os
import pathlib
import shutil
import socket
import subprocess
import threading

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
ROOT = CHECKOUT / "root"
DATA = CHECKOUT / "tests" / "data"


class Syslog:
    """A syslog socket that keeps each datagram (bytes) it is sent."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.messages = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # A path longer than sun_path (108 bytes) can be bound through its folder.
        folder = os.open(str(path.parent), os.O_RDONLY)
        self._socket.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        self._socket.settimeout(0.05)
        self._open = True
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self):
        while True:
            try:
                self.messages.append(self._socket.recv(1 << 20))
            except TimeoutError:
                if not self._open:
                    return

    def close(self):
        """Stop receiving; everything sent before is in `messages` afterwards."""
        self._open = False
        self._thread.join()
        self._socket.close()


class Tree:
    """A folder that stands for `/`: its `path` (pathlib.Path)."""

    def __truediv__(self, path):
        return self.path / str(path).lstrip("/")

    def write(self, path, text, mode=None):
        """Write `text` (str or bytes) to `path`, making its folders; returns the real path."""
        target = self / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text if isinstance(text, bytes) else text.encode())
        if mode is not None:
            target.chmod(mode)
        return target


class Sandbox(Tree):
    """A throwaway `/` for commands that honour ESMITH_ROOT."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("ESMITH_", "PYTHON"))},
            "ESMITH_ROOT": str(self.path),
        }

    def plant(self):
        """Install the checkout's root/etc here, as the packages would, and link the library."""
        shutil.copytree(ROOT / "etc", self.path / "etc", symlinks=True, dirs_exist_ok=True)
        library = self.path / "usr/lib/mxbackup"
        library.parent.mkdir(parents=True, exist_ok=True)
        library.symlink_to(ROOT / "usr/lib/mxbackup")
        return self

    def read(self, path):
        return (self / path).read_text()

    def run(self, command, *arguments, input=None, timeout=60, **environment):
        """Run `command` (db, config, expand-template, signal-event, mxbackup) of the checkout."""
        program = ROOT / ("usr/sbin" if command == "mxbackup" else "sbin/e-smith") / command
        return subprocess.run(
            [str(program), *map(str, arguments)],
            input=input, capture_output=True, text=True, errors="surrogateescape", timeout=timeout,
            env={**self.environment, **environment},
        )
