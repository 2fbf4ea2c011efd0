"""The real qpsmtpd, configured from a file `rcpthosts`, on a loopback port of its own."""

import contextlib
import os
import pathlib
import pwd
import socket
import subprocess
import time

PROGRAM = "/usr/bin/qpsmtpd-forkserver"


@contextlib.contextmanager
def qpsmtpd(rcpthosts, folder, plugins=("rcpt_ok",)):
    """Run qpsmtpd; gives its address, (host, port), and the maildir that gets its messages."""
    # It runs as nobody, who must get through to its folder.
    for parent in [folder, *folder.parents][:-2]:
        parent.chmod(parent.stat().st_mode | 0o011)
    nobody = pwd.getpwnam("nobody")
    for name in ("spool", "maildir"):
        (folder / name).mkdir(mode=0o700)
        os.chown(folder / name, nobody.pw_uid, nobody.pw_gid)
    for name, text in {
        "plugins": "\n".join([*plugins, f"queue/maildir {folder}/maildir"]),
        "plugin_dirs": "/usr/share/qpsmtpd/plugins", "me": "sme.doecom.net", "spool_dir": f"{folder}/spool",
        "rcpthosts": pathlib.Path(rcpthosts).read_text(),
    }.items():
        (folder / name).write_text(text + "\n")
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
