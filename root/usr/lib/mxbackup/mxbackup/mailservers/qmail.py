"""qmail, notqmail and mailfront: `rcpthosts` with its second list, and `smtproutes` (qmail-control(5))."""

import os

from esmith.paths import rooted
from mxbackup.host import identity
from mxbackup.mailservers import cdb, lines, qmail_lists
from mxbackup.mailservers.qmail_lists import CONTROL
from mxbackup.mailservers.shape import MailFile, MailServer, Unknown, file_exists, folder_exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

    from esmith.database import Database
    from mxbackup.mailservers.shape import MX, Fate, Wanted

RCPTHOSTS = qmail_lists.RCPTHOSTS
SMTPROUTES = CONTROL + "/smtproutes"
ME = CONTROL + "/me"
LOCALS = CONTROL + "/locals"
VIRTUAL = CONTROL + "/virtualdomains"
ASSIGN = "/var/qmail/users/assign"
USERS = "/var/qmail/users/cdb"
# What a qmail-smtpd does without rcpthosts.
OPEN = "takes mail for the whole world"

# Without it qmail is not what delivers here.
REMOTES = ("/var/qmail/bin/qmail-remote", "/usr/sbin/qmail-remote")
# What a HOST gives, what a DOMAIN.
NAMES = ("%\n", "%\n.%\n")
# Nothing after the colon: by DNS, not by the smart host, which would send the mail straight back.
ROUTES = ("%:\n", "%:\n.%:\n")

read_names = lines.rules_of_names


def control_lines(path: str) -> "List[str]":
    """Return the lines of the control file at `path` (not rooted), as qmail reads it; none where there is no file.

    Raises Unknown.
    """
    if not os.path.lexists(rooted(path)):
        return []
    # What is no file, as a pipe, could keep us for ever.
    if not os.path.isfile(rooted(path)):
        raise Unknown(f"{path} is no file: which names this host delivers itself is not known")
    try:
        with open(rooted(path), encoding="utf-8", errors="surrogateescape") as stream:
            return [line.rstrip() for line in stream if line.strip() and not line.startswith("#")]
    except OSError as error:
        raise Unknown(f"{path} cannot be read: {error.strerror}") from None


def local_names() -> "List[Tuple[str, str]]":
    """Return (name, where that is said) of what qmail delivers to users of this host, and its own name.

    Raises Unknown.
    """
    # Of `me` qmail takes the first line.
    return [(name, ME) for name in control_lines(ME)[:1]] + [(name, LOCALS) for name in control_lines(LOCALS)]


def names(wanted: "Wanted") -> str:
    """Return the entries of `rcpthosts`: a name, and `.name` for what is below it."""
    return lines.text(wanted.in_force, *NAMES, qmail_lists.compiled_names(wanted.in_force), ".%\n")


def routes(wanted: "Wanted") -> str:
    """Return the entries of `smtproutes`: each next hop, and the way by DNS for all others.

    That is there where a smart host would take their mail, or the next hop of a name above one of them.
    """
    hops = wanted.next_hops
    if not (wanted.smart_host or hops):
        return ""
    text = lines.text({name: kind for name, kind in wanted.in_force.items() if name not in hops}, *ROUTES)
    for name, hop in hops.items():
        host, domain = (form.replace(":", f":{hop}") for form in ROUTES)
        text += lines.text({name: wanted.in_force[name]}, host, domain)
    return text


def route_of(path: str, applies: "Callable[[str], bool]") -> "Callable[[str], Optional[Tuple[str, str]]]":
    """Return the hook `route` of a server that reads the routes at `path` (not rooted) where `applies(path)`."""
    read: Tuple[object, Dict[str, str]] = (None, {})

    def route(host: str) -> "Optional[Tuple[str, str]]":
        nonlocal read
        if not applies(path):
            return None
        # Without the file all goes by DNS (qmail-remote(8)).
        if not os.path.lexists(rooted(path)):
            return "", path
        # What is no file, as a pipe, could keep us for ever.
        if not os.path.isfile(rooted(path)):
            raise Unknown(f"{rooted(path)} is no file: which way mail goes out is not known")
        found = os.stat(rooted(path))
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if read[0] != stamp:
            with open(rooted(path), encoding="utf-8", errors="replace") as stream:
                read = (stamp, _parse_routes(stream))
        labels = host.split(".")
        keys = [host] + ["." + ".".join(labels[start:]) for start in range(1, len(labels))] + [""]
        return next((read[1][key] for key in keys if key in read[1]), ""), path

    return route


def _fate(exchangers: "Sequence[MX]") -> "Iterator[Fate]":
    if any(map(file_exists, REMOTES)):
        from mxbackup.mailservers import fate

        yield from fate.judge("qmail", exchangers, False, True, _is_itself, fate.CIRCLES)


def _is_itself(address: str) -> bool:
    from mxbackup.mailservers import fate
    from mxbackup.network.address import is_local

    # What stands on its interfaces, and nothing tells it of more (ipme.c).
    return is_local(address) or fate.is_loopback(address) or fate.is_wildcard(address)


def _parse_routes(stream: "Iterator[str]") -> "Dict[str, str]":
    """Return {name in lower case: relay}; of two lines of one name the last counts, as for qmail-remote(8)."""
    parsed = {}
    for line in stream:
        name, colon, relay = line.strip().partition(":")
        if colon and not name.startswith("#"):
            parsed[name.lower()] = relay
    return parsed


def _own_names(_db: "Optional[Database]" = None) -> "Iterator[Tuple[str, str]]":
    yield from local_names()
    for line in control_lines(VIRTUAL):
        name, _, prepend = line.partition(":")
        if "@" not in name:
            # Nothing after the colon: an exception (qmail-send(8)).
            yield name, VIRTUAL if prepend else ""
    # A virtual user's domain, as vpopmail has it: the prefix DOMAIN- (qmail-users(5)).
    for line in control_lines(ASSIGN):
        yield from _users_domain(line.partition(":")[0], "+", ASSIGN)
    for key in sorted(_compiled_users()):
        yield from _users_domain(key, "!", USERS)


def _users_domain(key: str, sign: str, who: str) -> "Iterator[Tuple[str, str]]":
    if key.startswith(sign) and key.endswith("-") and "." in key:
        yield key[1:-1], who


def _compiled_users() -> "Iterable[str]":
    try:
        with open(rooted(USERS), "rb") as stream:
            return cdb.keys(stream.read())
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise Unknown(f"{USERS} cannot be read: {getattr(error, 'strerror', None) or error}") from None


SERVER = MailServer(
    "qmail",
    (
        MailFile(
            "rcpthosts", RCPTHOSTS, "qmail-smtpd", folder_exists, names, OPEN, read_names, (qmail_lists.COMPILED,)
        ),
        MailFile("smtproutes", SMTPROUTES, "qmail-remote", folder_exists, routes),
    ),
    update=qmail_lists.Update,
    pending=qmail_lists.pending,
    own_names=_own_names,
    smart_host=identity.smart_host,
    route=route_of(SMTPROUTES, folder_exists),
    fate=_fate,
)
