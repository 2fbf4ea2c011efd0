"""Replays the recorded behaviour in tests/data/conformance (see its README)."""

import json
import os
import re
import socket
import stat
import time

from sandbox import DATA


def vectors(name):
    """The vectors of NAME.json: one character of any string is one byte."""
    return json.loads((DATA / "conformance" / (name + ".json")).read_text())


def bytes_of(text):
    return text.encode("latin-1")


def without_head(data):
    """A database's bytes without the comment lines at its head, which are ours to word."""
    while data.startswith(b"#"):
        data = data.partition(b"\n")[2]
    return data


def plant(sandbox, tree):
    """Make the files, links and folders of a vector's `tree` below the sandbox."""
    for path, entry in tree.items():
        target = sandbox / path
        if "dir" in entry:
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if "link" in entry:
            target.symlink_to(entry["link"])
        else:
            target.write_bytes(bytes_of(entry["text"]))
            target.chmod(entry["mode"])


def tree(sandbox, *folders):
    """{path: {"text", "mode"}} of every file below `folders` of the sandbox, text as latin-1."""
    found = {}
    for folder in folders:
        for parent, _folders, names in os.walk(sandbox / folder):
            for name in names:
                real = os.path.join(parent, name)
                path = "/" + os.path.relpath(real, sandbox.path)
                status = os.lstat(real)
                if stat.S_ISLNK(status.st_mode):
                    found[path] = {"link": os.readlink(real)}
                else:
                    with open(real, "rb") as file:
                        found[path] = {
                            "text": file.read().decode("latin-1"),
                            "mode": stat.S_IMODE(status.st_mode),
                        }
    return found


def syslog(log, sandbox):
    """[(priority, text)] of what the Syslog `log` was sent, without the program's name; it forgets them."""
    last = b"<0>last %d" % time.monotonic_ns()
    folder = os.open(sandbox / "/dev", os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(last, f"/proc/self/fd/{folder}/log")
    os.close(folder)
    while last not in log.messages:
        time.sleep(0.001)
    messages = log.messages[:log.messages.index(last)]
    log.messages.clear()
    parsed = []
    for message in messages:
        priority, text = re.fullmatch(rb"(?s)<(\d+)>(?:[^ ]* )?(.*)", message).groups()
        parsed.append((int(priority), text.decode("latin-1")))
    return parsed
