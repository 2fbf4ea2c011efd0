"""The panel's own login: a password kept as scrypt, sessions that end, a delay after failures."""

import hashlib
import hmac
import os
import threading
import time
from os.path import dirname

from esmith.errors import EsmithError
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PASSWORD = "/var/lib/mxbackup/panel.password"
IDLE = 15 * 60  # seconds a session may rest
LONGEST = 8 * 3600  # seconds a session may last
SESSION_LIMIT = 50
SHORTEST_PASSWORD = 10  # characters (NIST SP 800-63B asks for 8 at least)
LONGEST_DELAY = 30  # seconds between two attempts
COST = 1 << 14  # scrypt's N
HIGHEST_COST = 1 << 16  # for a password file that is read
SET = "mxbackup panel --set-password"


class PasswordError(EsmithError):
    """A password that cannot be set, or a password file that cannot be used; the text says why."""


def set_password(password: str) -> None:
    """Keep `password` (str), hashed, in a file that root alone can read; raises PasswordError."""
    from esmith import atomicfile

    if len(password) < SHORTEST_PASSWORD:
        raise PasswordError(f"the password needs {SHORTEST_PASSWORD} characters at least")
    if len(password) > 1000:
        raise PasswordError("the password may have 1000 characters at most")
    salt = os.urandom(16)
    line = f"scrypt {COST} {salt.hex()} {_hash(password, salt, COST).hex()}\n"
    path = rooted(PASSWORD)
    os.makedirs(dirname(path), exist_ok=True)
    atomicfile.replace(path, line.encode(), mode=0o600)


def password_is_set() -> bool:
    """Whether a password was set; raises PasswordError for a file that cannot be used."""
    return _kept() is not None


def right(password: str) -> bool:
    """Whether `password` (str) is the one that was set; False where none was."""
    kept = _kept()
    if kept is None or len(password) > 1000:
        return False
    cost, salt, digest = kept
    return hmac.compare_digest(_hash(password, salt, cost), digest)


class Door:
    """Who may come in: attempts one at a time, slower after each failure, and the sessions that are open.

    Memory is bounded: one counter for all attempts (there is one password), SESSION_LIMIT sessions.
    """

    def __init__(self, clock: "Callable[[], float]" = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next = 0.0
        self._sessions: dict[bytes, list[float]] = {}  # digest -> when it was begun, last used

    def attempt(self, password: str) -> "tuple[str | None, float, bool]":
        """Return (session or None, seconds to wait, whether it was tried at all) for a `password`."""
        with self._lock:
            wait = self._next - self._clock()
            if wait > 0:
                return None, wait, False
            if right(password):
                self._failures = 0
                return self._open(), 0, True
            self._failures += 1
            delay = min(2.0 ** (self._failures - 1), LONGEST_DELAY)
            self._next = self._clock() + delay
            return None, delay, True

    def knows(self, session: str) -> bool:
        """Whether `session` (str) is open; if so its idle time starts anew."""
        with self._lock:
            now = self._clock()
            self._forget(now)
            times = self._sessions.get(self._name(session))
            if times:
                times[1] = now
            return bool(times)

    def close(self, session: str) -> None:
        """End `session`; one that is not open is no error."""
        with self._lock:
            self._sessions.pop(self._name(session), None)

    def _open(self) -> str:
        now = self._clock()
        self._forget(now)
        while len(self._sessions) >= SESSION_LIMIT:
            del self._sessions[min(self._sessions, key=lambda name: self._sessions[name][1])]
        session = os.urandom(24).hex()
        self._sessions[self._name(session)] = [now, now]
        return session

    @staticmethod
    def _name(session: str) -> bytes:
        # What is looked up is a digest, so that the time of a look-up tells nothing about a session's name.
        return hashlib.sha256(session.encode("utf-8", "replace")).digest()

    def _forget(self, now: float) -> None:
        for name, (begun, used) in list(self._sessions.items()):
            if now - used > IDLE or now - begun > LONGEST:
                del self._sessions[name]


def _hash(password: str, salt: bytes, cost: int) -> bytes:
    if not hasattr(hashlib, "scrypt"):
        raise PasswordError("this Python was built without scrypt: it takes OpenSSL 1.1 or newer")
    # 128 * r * n bytes: 16 MiB for n = 2**14 (RFC 7914 §2).
    return hashlib.scrypt(password.encode("utf-8", "surrogateescape"), salt=salt, n=cost, r=8, p=1,
                          maxmem=64 << 20, dklen=32)


def _kept() -> "tuple[int, bytes, bytes] | None":
    """Return (cost, salt, hash) of the password file, or None where no password was set."""
    path = rooted(PASSWORD)
    try:
        status = os.stat(path)
        with open(path) as file:
            name, cost, salt, digest = file.read(1000).split()
        if name != "scrypt" or int(cost) > HIGHEST_COST:
            raise ValueError
        kept = int(cost), bytes.fromhex(salt), bytes.fromhex(digest)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a scrypt line"
        raise PasswordError(f"{path}: cannot be used ({why}); set it anew: {SET}") from None
    if status.st_mode & 0o077 or status.st_uid != os.geteuid():
        raise PasswordError(f"{path}: others than root may read or write it; set the password anew: {SET}")
    return kept
