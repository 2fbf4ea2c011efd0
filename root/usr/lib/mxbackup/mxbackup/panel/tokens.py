"""Tokens that only this host can have made: for forms (against CSRF) and for messages kept in an address."""

import hmac
import os
import time
from os.path import dirname

from esmith.paths import rooted

SECRET = "/var/lib/mxbackup/panel.secret"
LENGTH = 32  # bytes


def secret() -> bytes:
    """Return the host's secret (32 bytes), made at the first call, in a file that only its owner can read."""
    path = rooted(SECRET)
    for _ in range(4):
        try:
            with open(path, "rb") as file:
                status, found = os.fstat(file.fileno()), file.read(LENGTH + 1)
            if len(found) == LENGTH and status.st_uid == os.geteuid() and not status.st_mode & 0o077:
                return found
            os.unlink(path)  # one that is empty, or that others know, would be everybody's
        except FileNotFoundError:
            pass
        _make(path)
    raise OSError(f"{path}: it was removed as soon as it was made")


def make(purpose: str, identity: str, lifetime: int, text: str = "") -> str:
    """Return a token (str) for `purpose`, bound to `identity` and `text`, good for `lifetime` seconds."""
    expiry = f"{int(time.time() + lifetime):x}"
    return expiry + "-" + _code(purpose, identity, expiry, text)


def good(token: str, purpose: str, identity: str, text: str = "") -> bool:
    """Whether `token` was made here for the same purpose, identity and text, and is not too old."""
    expiry, _, code = token[:80].partition("-")
    try:
        if int(expiry, 16) < time.time():
            return False
    except ValueError:
        return False
    wanted = _code(purpose, identity, expiry, text)
    return hmac.compare_digest(code.encode("utf-8", "replace"), wanted.encode())


def _make(path: str) -> None:
    """Make the secret in one step, whole; another's that came first stays."""
    os.makedirs(dirname(path), exist_ok=True)
    new = f"{path}.{os.urandom(6).hex()}"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(os.urandom(LENGTH))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(new)


def _code(purpose: str, identity: str, expiry: str, text: str) -> str:
    message = "\0".join((purpose, identity, expiry, text)).encode("utf-8", "surrogatepass")
    return hmac.new(secret(), message, "sha256").hexdigest()[:40]
