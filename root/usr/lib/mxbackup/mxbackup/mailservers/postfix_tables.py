"""The tables that Postfix reads: compiled from our lists in a folder aside, asked, and only then put in place.

Lists are for people, and written by fragments; Postfix reads tables/NAME alone. `tables/state` says of which lists
the tables in force were made.
"""

import os

from esmith.paths import rooted
from mxbackup.mailservers import postfix_settings as settings
from mxbackup.mailservers.shape import Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

LISTS = ("hosts", "domains", "transport")
# One line, which gives the whole name: a table behind it in a pipemap is asked for nothing shorter, so that a HOST
# stays one (measured: Postfix 3.7; a plain table in relay_domains makes it a DOMAIN).
EXACT = "exact"
ALL = b"/^(.*)$/ $1\n"
STATE = settings.TABLES + "/state"
ASIDE = settings.TABLES + ".new"
SUFFIXES = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb", "texthash": ""}
# No rule's name can end so (RFC 2606).
NOBODY = "nobody.mxbackup.invalid"


def relay_domains(kind: str, folder: str = settings.TABLES) -> "List[str]":
    """Return our tokens for relay_domains, with tables of the type `kind` in `folder` (not rooted)."""
    place = rooted(folder)
    return [f"pipemap:{{regexp:{place}/{EXACT},{kind}:{place}/hosts}}", f"{kind}:{place}/domains"]


def transport_maps(kind: str, folder: str = settings.TABLES) -> "List[str]":
    """Return our tokens for transport_maps."""
    return [f"{kind}:{rooted(folder)}/transport"]


def state(kind: str) -> str:
    """Return what `tables/state` holds where the tables are of the type `kind`, made from the lists as they are."""
    lines = [kind]
    for name in LISTS:
        try:
            found = os.stat(rooted(f"{settings.FOLDER}/{name}"))
            lines.append(f"{name} {found.st_ino} {found.st_mtime_ns} {found.st_size}")
        except OSError:
            lines.append(f"{name} is not there")
    return "\n".join(lines) + "\n"


def are_current(kind: str) -> bool:
    """Tell whether the tables are there, and of the lists as they are now."""
    places = [rooted(f"{settings.TABLES}/{name}{SUFFIXES[kind]}") for name in LISTS]
    if not all(map(os.path.exists, [*places, rooted(f"{settings.TABLES}/{EXACT}")])):
        return False
    try:
        with open(rooted(STATE), encoding="ascii", errors="replace") as stream:
            return stream.read() == state(kind)
    except OSError:
        return False


def replace(kind: str) -> None:
    """Make the tables anew from the lists and put them in place; raises Unknown and OSError, all being as it was."""
    aside = rooted(ASIDE)
    _clear(aside)
    os.mkdir(aside)
    os.chmod(aside, 0o755)
    try:
        for name in LISTS:
            _compile(kind, name)
        _write(f"{aside}/{EXACT}", ALL)
        _ask(kind)
        for name in [EXACT] + [name + SUFFIXES[kind] for name in LISTS]:
            os.replace(f"{aside}/{name}", rooted(f"{settings.TABLES}/{name}"))
    finally:
        _clear(aside)


def note(state: str) -> None:
    """Keep the `state` (str) of which Postfix has read the tables; raises OSError."""
    _write(rooted(STATE), state.encode("ascii"))


def remove() -> None:
    """Remove the tables; raises OSError."""
    _clear(rooted(ASIDE))
    _clear(rooted(settings.TABLES))


def _compile(kind: str, name: str) -> None:
    made = f"{rooted(ASIDE)}/{name}"
    try:
        with open(rooted(f"{settings.FOLDER}/{name}"), "rb") as stream:
            _write(made, stream.read())
    except FileNotFoundError:
        _write(made, b"")
    if kind != "texthash":
        warned = settings.run("postmap", f"{kind}:{made}")[2]
        if warned:
            raise Unknown(warned.splitlines()[-1])


def _ask(kind: str) -> None:
    """Ask each map, as Postfix will read it, for a name that it knows and one that nobody has; raises Unknown."""
    hosts, domains = relay_domains(kind, ASIDE)
    for table, name in ((hosts, "hosts"), (domains, "domains"), (*transport_maps(kind, ASIDE), "transport")):
        known = _first(f"{rooted(ASIDE)}/{name}")
        answer, _, said = settings.run("postmap", "-q", NOBODY, table, fine=(0, 1))
        if answer == 0:
            said = said or f"it knows {NOBODY}, which nobody has"
        if known and not said:
            answer, _, said = settings.run("postmap", "-q", known, table, fine=(0, 1))
            if answer:
                said = said or f"it does not know {known}"
        if said:
            raise Unknown(f"{table}: {said.splitlines()[-1]}")


def _first(path: str) -> str:
    """Return the first key of the table's source at `path`, "" for none."""
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            if line.strip() and not line.startswith("#"):
                return line.split()[0]
    return ""


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(path, 0o644)


def _clear(folder: str) -> None:
    """Remove a `folder` of ours with its files; raises OSError."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        os.unlink(f"{folder}/{name}")
    os.rmdir(folder)
