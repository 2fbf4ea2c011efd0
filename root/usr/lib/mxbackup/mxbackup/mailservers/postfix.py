"""Postfix 3.0 and newer: lists of ours below /etc/postfix/mxbackup, named in relay_domains and transport_maps."""

import os

from esmith.paths import rooted
from mxbackup.mailservers import lines, shape
from mxbackup.mailservers import postfix_settings as settings
from mxbackup.mailservers import postfix_tables as tables
from mxbackup.mailservers.shape import MailFile, MailServer, Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

    from esmith.database import Database
    from mxbackup.mailservers.shape import MX, Fate, Kinds, Say, Wanted

# pipemap came with it.
OLDEST = (3, 0)
# So long two of us at once wait for each other, in seconds.
PATIENCE = 120
# What is Postfix's own to deliver: names, files of names and maps.
OWN = ("mydestination", "virtual_alias_domains", "virtual_mailbox_domains")


class Update(shape.Update):
    """One update of main.cf and the tables around the writing of the lists, one at a time on this host.

    Entering withdraws: where nothing is wanted the tokens go, Postfix reads that, and only then the lists change.
    Leaving makes and asks the tables, puts the tokens in, and has Postfix read them. What cannot be is told, and the
    former state stays.
    """

    def __init__(self, wanted: "Wanted", say: "Say") -> None:
        self._wanted = wanted
        self._say = say
        self._folder: Optional[int] = None

    def __enter__(self) -> "Update":
        if settings.here():
            self._try(self._begin)
        return self

    def __exit__(self, *error: object) -> None:
        if self._folder is None:
            return
        if error[0] is None:
            self._try(self._finish)
        os.close(self._folder)

    def _try(self, step: "Callable[[], None]") -> None:
        try:
            step()
        except (Unknown, OSError) as error:
            self.well = False
            self._say(f"ERROR: Postfix: {error}")

    def _begin(self) -> None:
        folder = rooted(settings.FOLDER)
        os.makedirs(folder, 0o755, exist_ok=True)
        self._folder = _locked(folder)
        if not self._wanted.in_force and _tokens_now():
            try:
                _put({})
            finally:
                settings.reload()

    def _finish(self) -> None:
        if not self._wanted.in_force and not _tokens_now():
            tables.remove()
            return
        refused = _refused()
        if refused:
            raise Unknown(refused)
        # Where the tokens cannot be taken out the tables go on, with what the lists hold now: nothing.
        kind = settings.table_type()
        new = False
        os.makedirs(rooted(settings.TABLES), 0o755, exist_ok=True)
        state = tables.state(kind)
        if not tables.are_current(kind):
            tables.replace(kind)
            new = True
        try:
            # Withdrawal has been tried, and told.
            new = bool(self._wanted.in_force) and _put(_tokens(self._wanted, kind)) or new
        finally:
            if new:
                settings.reload()
                tables.note(state)


def pending(wanted: "Wanted") -> "Iterator[Tuple[str, str]]":
    """Yield (path, sentence) for main.cf and for the tables: the hook `pending`."""
    if not settings.here():
        return
    try:
        yield from _pending(wanted)
    except Unknown as error:
        yield settings.MAIN, f"cannot be asked: {error}"


def look_up(table: str, keys: "Iterable[str]") -> "Dict[str, str]":
    """Return {key: value} for those of `keys` that the map `table` knows; raises Unknown."""
    sent = "".join(f"{key}\n" for key in keys)
    if not sent:
        return {}
    answer, found, said = settings.run("postmap", "-q", "-", table, sent=sent, fine=(0, 1))
    if answer and said:
        raise Unknown(f"{table}: {said.splitlines()[-1]}")
    return dict(line.split("\t", 1) for line in found.splitlines() if "\t" in line)


def _hosts(wanted: "Wanted") -> str:
    return lines.text(_both(wanted.in_force), "% rule\n", "")


def _domains(wanted: "Wanted") -> str:
    return lines.text(_both(wanted.in_force), "", "% rule\n.% rule\n")


def _transport(wanted: "Wanted") -> str:
    if not (wanted.smart_host or wanted.next_hops):
        return ""
    # Nothing after the colon: the recipient's own MX, whatever relayhost says (transport(5)). Also where only another
    # rule has a next hop: that may be for all names above this one.
    plain = {name: kind for name, kind in wanted.in_force.items() if name not in wanted.next_hops}
    text = [lines.text(_both(plain), "% relay:\n", "% relay:\n.% relay:\n")]
    for name, hop in wanted.next_hops.items():
        way = f" relay:{_destination(hop)}\n"
        text.append(lines.text(_both({name: wanted.in_force[name]}), f"%{way}", f"%{way}.%{way}"))
    return "".join(text)


def _destination(hop: str) -> str:
    """Return a rule's next hop as Postfix has it: in brackets, for it is a host, whose MX is not asked for."""
    if hop.startswith("["):
        return hop
    host, colon, port = hop.partition(":")
    return f"[{host}]{colon}{port}"


def _both(kinds: "Kinds") -> "Kinds":
    """Return `kinds` with each internationalised name in both its forms: Postfix converts neither to the other."""
    if not any("xn--" in name for name in kinds):
        return kinds
    from mxbackup.rules.idn import u_labels

    both = dict(kinds)
    for name, kind in kinds.items():
        if "xn--" in name:
            both[u_labels(name)] = kind
    both.pop("", None)
    return both


def _locked(folder: str) -> int:
    """Return a descriptor of `folder` that is locked; raises Unknown where somebody keeps it too long."""
    import time
    from fcntl import LOCK_EX, LOCK_NB, flock

    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise Unknown(f"another update has held {folder} for {PATIENCE} seconds; try again") from None
            time.sleep(0.05)


def _refused() -> str:
    """Return why this Postfix cannot be served, "" where it can."""
    if settings.version() < OLDEST:
        found = settings.values().get("mail_version", "")
        return f"Postfix {found} cannot tell a HOST from a DOMAIN: it needs to be 3.0 or newer"
    return ""


def _tokens(wanted: "Wanted", kind: str) -> "Dict[str, List[str]]":
    """Return the tokens of ours {setting: tokens}."""
    if not wanted.in_force:
        return {}
    routes = tables.transport_maps(kind) if _transport(wanted) else []
    return {settings.APPENDED: tables.relay_domains(kind), settings.PREPENDED: routes}


def _tokens_now() -> bool:
    return any(settings.ours(name) for name in (settings.APPENDED, settings.PREPENDED))


def _put(tokens: "Dict[str, List[str]]") -> bool:
    """Let our tokens be `tokens`; return whether something was changed. Raises Unknown."""
    # Routes first in, and last out: mail that is taken must not go to the smart host.
    order = (settings.PREPENDED, settings.APPENDED)
    return any([settings.put(name, tokens.get(name, [])) for name in (order if tokens else reversed(order))])


def _pending(wanted: "Wanted") -> "Iterator[Tuple[str, str]]":
    if not wanted.in_force:
        if _tokens_now():
            yield settings.MAIN, "still names our lists"
        return
    refused = _refused()
    if refused:
        yield settings.MAIN, refused
        return
    kind = settings.table_type()
    wrong = [name for name, tokens in _tokens(wanted, kind).items() if settings.ours(name) != tokens]
    barrier = settings.unwritable() if wrong else ""
    told = f"is to name our lists in {' and '.join(wrong)}" if wrong else ""
    if barrier:
        told = "; ".join([barrier] + [settings.by_hand(name, _tokens(wanted, kind)[name]) for name in wrong])
    yield settings.MAIN, told
    yield settings.TABLES, "" if tables.are_current(kind) else "are to be made of the lists"


def _own_names(db: "Database") -> "Iterator[Tuple[str, str]]":
    """Yield (name, where that is said) of what Postfix delivers itself: those it names, and those of the record that
    its maps know.
    """
    if not settings.here():
        return
    from mxbackup.rules import record

    asked = list(_both(record.load(db).rules.kinds))
    for setting in OWN:
        for token in settings.tokens(settings.values().get(setting, "")):
            names: Iterable[str] = ()
            if token.startswith("/"):
                names = _names_in(token)
            elif ":" in token:
                names = look_up(token, asked)
            elif not token.startswith("!"):
                names = [token.lower()]
            for name in names:
                yield name, f"{setting} of Postfix"


def _names_in(path: str) -> "List[str]":
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            words = stream.read().replace(",", " ").split()
    except OSError as error:
        raise Unknown(f"{path}: {error.strerror}") from None
    return [word.lower() for word in words]


def _smart_host(_db: "Optional[Database]" = None) -> str:
    """Return where mail goes that no transport map names, "" for its own MX."""
    if not settings.here():
        return ""
    try:
        found = settings.values()
        routes = [found.get(name, "").partition(":")[2] for name in ("relay_transport", "default_transport")]
        for table in settings.tokens(found.get(settings.PREPENDED, "")):
            if not settings.is_ours(table):
                routes.append(look_up(table, ["*"]).get("*", "").partition(":")[2])
        named = [found.get("relayhost", ""), *routes]
        named += [found.get(f"sender_dependent_{name}_maps", "") for name in ("relayhost", "default_transport")]
        return next(filter(None, named), "")
    except Unknown:
        # update() says why; until then nothing of what is in force changes.
        return ""


def _route(name: str) -> "Optional[Tuple[str, str]]":
    """Return the next hop of mail to `name`: by the transport maps, and then by where all mail goes."""
    if not settings.here():
        return None
    found = settings.values()
    labels = name.split(".")
    keys = [name] + ["." + ".".join(labels[start:]) for start in range(1, len(labels))] + ["*"]
    known = [(table, look_up(table, keys)) for table in settings.tokens(found.get(settings.PREPENDED, ""))]
    for key in keys:
        for table, answers in known:
            if key in answers:
                return answers[key].partition(":")[2], table.partition(":")[2]
    return found.get("relay_transport", "").partition(":")[2] or found.get("relayhost", ""), settings.MAIN


def _fate(exchangers: "Sequence[MX]") -> "Iterator[Fate]":
    if not settings.here():
        return
    from mxbackup.mailservers import fate
    from mxbackup.network.address import is_local

    found = settings.values()
    protocols = settings.tokens(found.get("inet_protocols", "")) or ["all"]
    ipv6, ipv4 = (any(each in protocols for each in ("all", version)) for version in ("ipv6", "ipv4"))
    mine = settings.tokens(found.get("inet_interfaces", "") or "all")
    front = settings.tokens(found.get("proxy_interfaces", ""))

    def is_itself(address: str) -> bool:
        # inet_interfaces and proxy_interfaces of postconf(5): mail to these is not sent there.
        if address.lower() in front or address.lower() in [each.strip("[]") for each in mine]:
            return True
        if fate.is_loopback(address):
            return bool({"all", "loopback-only"} & set(mine))
        return "all" in mine and is_local(address)

    yield from fate.judge("Postfix", exchangers, ipv6, ipv4, is_itself, fate.PUT_OFF)


SERVER = MailServer(
    "Postfix",
    tuple(
        MailFile("postfix_" + name, f"{settings.FOLDER}/{name}", "Postfix", settings.here, text, whole=True)
        for name, text in (("hosts", _hosts), ("domains", _domains), ("transport", _transport))
    ),
    update=Update,
    pending=pending,
    own_names=_own_names,
    smart_host=_smart_host,
    route=_route,
    fate=_fate,
)
