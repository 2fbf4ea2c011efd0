"""The real qpsmtpd, configured from a file `rcpthosts`, on a loopback port of its own."""

import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

import needs

PROGRAM = "/usr/bin/qpsmtpd-forkserver"


@contextlib.contextmanager
def qpsmtpd(rcpthosts, plugins=("rcpt_ok",), files=(), **config):
    """Run qpsmtpd; gives its address, (host, port), and the maildir that gets its messages.

    `config` has more files of its configuration, {name: text}; `files` are paths of more to be copied.
    """
    needs.require("qpsmtpd", "root")
    # It runs as nobody, who gets through to no folder of pytest's.
    with tempfile.TemporaryDirectory(prefix="qpsmtpd-") as folder:
        folder = pathlib.Path(folder)
        folder.chmod(0o711)
        nobody = pwd.getpwnam("nobody")
        for name in ("spool", "maildir"):
            (folder / name).mkdir(mode=0o700)
            os.chown(folder / name, nobody.pw_uid, nobody.pw_gid)
        for name, text in {
            "plugins": "\n".join([*plugins, f"queue/maildir {folder}/maildir"]),
            "plugin_dirs": "/usr/share/qpsmtpd/plugins", "me": "sme.doecom.net",
            "spool_dir": f"{folder}/spool", "rcpthosts": pathlib.Path(rcpthosts).read_text(), **config,
        }.items():
            (folder / name).write_text(text + "\n")
        for file in files:
            shutil.copy(file, folder)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        with open(folder / "log", "wb") as log:
            process = subprocess.Popen(
                [PROGRAM, "-l", "127.0.0.1", "-p", str(port), "-u", "nobody", "-m", "20", "-H"],
                env={"PATH": os.environ["PATH"], "QPSMTPD_CONFIG": str(folder)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait(process, port, folder / "log")
            yield ("127.0.0.1", port), folder / "maildir"
        finally:
            process.terminate()
            process.wait(10)


def _wait(process, port, log):
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("qpsmtpd did not start: " + log.read_text())
