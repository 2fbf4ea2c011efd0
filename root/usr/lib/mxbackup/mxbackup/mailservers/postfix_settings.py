"""Postfix's settings: what main.cf says, asked of postconf(1), and our tokens in two of them.

main.cf itself is never read: what it means (lines that go on, braces, several instances of a name) postconf knows. A
change is made to the value as it is at that moment, so what an administrator put beside our tokens stays.
"""

import os

from esmith.paths import rooted
from mxbackup.mailservers.shape import Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Sequence, Tuple

CONFIGURATION = "/etc/postfix"
MAIN = CONFIGURATION + "/main.cf"
# Ours: the lists, and in a folder of their own what Postfix reads.
FOLDER = CONFIGURATION + "/mxbackup"
TABLES = FOLDER + "/tables"
# Which settings main.cf did not have before us, a line each.
UNSET = TABLES + "/unset"

# Where our tokens go: at the end of one setting, and in front in the other, before any catch-all.
APPENDED = "relay_domains"
PREPENDED = "transport_maps"

# What Postfix may take, in seconds: a program of it that waits longer never ends.
_LIMIT = 120
_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")

_kept: "Tuple[object, Dict[str, str]]" = (None, {})


def program(name: str) -> "Optional[str]":
    """Return the path of Postfix's program `name`, None where it is not there."""
    paths = (f"{folder}/{name}" for folder in _FOLDERS)
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def here(_path: str = "") -> bool:
    """Tell whether this host has a Postfix that is set up."""
    return os.path.exists(rooted(MAIN)) and program("postconf") is not None


def run(name: str, *arguments: str, sent: str = "", fine: "Sequence[int]" = (0,)) -> "Tuple[int, str, str]":
    """Run Postfix's program `name` on this host's configuration; return (status, stdout, stderr).

    What main.cf itself is warned of is left out of stderr. Raises Unknown where the status is none of `fine`.
    """
    import subprocess

    path = program(name)
    if path is None:
        raise Unknown(f"Postfix's program {name} is missing")
    # What MAIL_CONFIG and the like say is for somebody else's Postfix.
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
    try:
        ran = subprocess.run(  # noqa: UP022 - Python 3.6 has no capture_output
            [path, "-c", rooted(CONFIGURATION), *arguments],
            input=sent.encode("utf-8", "surrogateescape"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=_LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unknown(f"{path}: {error}") from None
    errors = [
        line
        for line in ran.stderr.decode("utf-8", "replace").splitlines()
        if not line.startswith(f"{name}: warning: {rooted(MAIN)}")
    ]
    if ran.returncode not in fine:
        told = errors[-1] if errors else f"status {ran.returncode}"
        raise Unknown(f"{told} (said by: {name} {' '.join(arguments)})")
    return ran.returncode, ran.stdout.decode("utf-8", "surrogateescape"), "\n".join(errors)


def values() -> "Dict[str, str]":
    """Return all settings {name: value}, references to others resolved; raises Unknown."""
    global _kept
    found = os.stat(rooted(MAIN))
    stamp = rooted(MAIN), found.st_ino, found.st_mtime_ns, found.st_size
    if _kept[0] != stamp:
        _kept = stamp, dict(_pairs(run("postconf", "-x")[1]))
    return _kept[1]


def raw(name: str) -> str:
    """Return the value of the setting `name` as it stands there now; raises Unknown."""
    return run("postconf", "-h", name)[1].rstrip("\n")


def version() -> "Tuple[int, ...]":
    """Return Postfix's version, as (3, 7)."""
    digits = values().get("mail_version", "").split("-")[0].split(".")[:2]
    return tuple(int(number) for number in digits if number.isdigit())


def table_type() -> str:
    """Return the type of table that ours are: the host's own default, where it is compiled."""
    known = run("postconf", "-m")[1].split()
    liked = (values().get("default_database_type", ""), "lmdb", "cdb", "hash", "btree")
    return next((one for one in liked if one in ("lmdb", "cdb", "hash", "btree") and one in known), "texthash")


def tokens(value: str) -> "List[str]":
    """Return the tokens of a setting's `value`: words between commas and blanks, braces kept together."""
    return [value[begin:end] for begin, end in _spans(value)]


def is_ours(token: str) -> bool:
    """Tell whether `token` names a list of ours."""
    return rooted(FOLDER) + "/" in token


def ours(name: str) -> "List[str]":
    """Return the tokens of ours in the setting `name`; raises Unknown."""
    return [token for token in tokens(raw(name)) if is_ours(token)]


def without_ours(value: str) -> str:
    """Return `value` without tokens of ours, and otherwise as it was before they came."""
    for begin, end in reversed(list(_spans(value))):
        if not is_ours(value[begin:end]):
            continue
        if value[:begin].endswith(", "):
            begin -= 2
        elif not value[:begin].strip(", \t") and value[end:].startswith(", "):
            end += 2
        value = value[:begin] + value[end:]
    return value


def put(name: str, wanted: "Sequence[str]") -> bool:
    """Let the tokens of ours in the setting `name` be `wanted`; return whether it was changed.

    Raises Unknown where it cannot be changed, or is not what it should be afterwards.
    """
    value = raw(name)
    if [token for token in tokens(value) if is_ours(token)] == list(wanted):
        return False
    barrier = unwritable()
    if barrier:
        raise Unknown(f"{barrier}; {by_hand(name, wanted)}")
    rest = without_ours(value)
    if wanted:
        if rest == value:
            _remember("" if run("postconf", "-n", name)[1] else name)
        parts = [rest] * bool(rest.strip())
        parts = parts + list(wanted) if name == APPENDED else list(wanted) + parts
        run("postconf", "-e", f"{name} = {', '.join(parts)}")
    elif _was_unset(name, rest):
        run("postconf", "-X", name)
    else:
        run("postconf", "-e", f"{name} = {rest}")
    if ours(name) != list(wanted):
        raise Unknown(f"{rooted(MAIN)}: postconf did not change {name}; {by_hand(name, wanted)}")
    return True


def by_hand(name: str, wanted: "Sequence[str]") -> str:
    """Return what an administrator is to do where we may not."""
    if not wanted:
        return f"take what names {rooted(FOLDER)} out of {name}, then run: postfix reload"
    place = "at the end of" if name == APPENDED else "in front of"
    return f"put this {place} {name}: {', '.join(wanted)}"


def unwritable() -> str:
    """Return why main.cf is not ours to change, "" where we may."""
    path = rooted(MAIN)
    if os.path.islink(path):
        return f"{path} is a link to {os.readlink(path)}, which another program keeps"
    if not (os.access(path, os.W_OK) and os.access(os.path.dirname(path), os.W_OK)):
        return f"{path} cannot be written"
    return ""


def reload() -> None:
    """Let a Postfix that runs read settings and maps anew; raises Unknown."""
    if run("postfix", "status", fine=(0, 1))[0] == 0:
        run("postfix", "reload")


def _pairs(text: str) -> "Iterator[Tuple[str, str]]":
    for line in text.splitlines():
        name, _, value = line.partition(" =")
        yield name, value.strip()


def _spans(value: str) -> "Iterator[Tuple[int, int]]":
    depth, begin = 0, -1
    for place, octet in enumerate(value + " "):
        depth += (octet == "{") - (octet == "}")
        if octet in ", \t\r\n" and depth <= 0:
            if begin >= 0:
                yield begin, place
            begin = -1
        elif begin < 0:
            begin = place


def _remember(name: str) -> None:
    # Also nothing: then both were set.
    with open(rooted(UNSET), "a", encoding="ascii") as stream:
        stream.write(name + "\n")


def _was_unset(name: str, rest: str) -> bool:
    """Tell whether main.cf had no line for `name`, whose value without us is `rest`: then it is to have none."""
    if rest != run("postconf", "-d", "-h", name)[1].rstrip("\n"):
        return False
    try:
        with open(rooted(UNSET), encoding="ascii", errors="replace") as stream:
            return name in stream.read().split("\n")
    except OSError:
        # Nobody knows any more; either is the same to Postfix.
        return True
