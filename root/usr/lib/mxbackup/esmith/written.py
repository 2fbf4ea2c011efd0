"""Knows which content of a file is the engine's own last output, by digest; whatever else lies there is
somebody's edit.

For each output there is a small file below /var/lib/e-smith-python/written, in the format of sha256sum(1),
so that `sha256sum -c` tells an administrator which outputs were edited. It is also the lock of the output.
"""

import os

from esmith import plainfile
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hashlib import _Hash as Hash
    from typing import Callable, List, Optional

FOLDER = "/var/lib/e-smith-python/written"
# For so many octets OpenSSL's SHA-256 is the faster one, its loading included.
_MUCH = 1 << 17


class Written:
    """The record of one output, locked while in a `with`: one expansion of a file at a time.

    Where the record cannot be kept (another user than root, a read-only disk) nothing is known, and so
    everything counts as somebody's edit. With `looking` nothing is written and nothing locked, and a user who
    may not read the record is told of an output that it is the engine's.
    """

    def __init__(self, output: str, looking: bool = False) -> None:
        self._output = output
        self._looking = looking
        self._descriptor: Optional[int] = None
        self._digests: List[str] = []
        self._barred = False
        self._error: Optional[OSError] = None

    def __enter__(self) -> "Written":
        folder = rooted(FOLDER)
        path = os.path.join(folder, _digest(os.fsencode(self._output)))
        try:
            if self._looking:
                self._descriptor = plainfile.descriptor(path, follow=False)
            else:
                plainfile.make_folders(folder, 0o700)
                new = not os.path.lexists(path)
                self._descriptor = plainfile.descriptor(path, os.O_RDWR | os.O_CREAT, 0o600, follow=False)
                if new:
                    plainfile.sync_folder(folder)
        except OSError as error:
            self._barred = self._looking and isinstance(error, PermissionError)
            self._error = error
            return self
        if not self._looking:
            from esmith.locking import take

            take(self._descriptor, self._output)
        for line in os.pread(self._descriptor, 1 << 16, 0).splitlines():
            digest = line.partition(b" ")[0].decode("ascii", "replace")
            if len(digest) == 64:
                self._digests.append(digest)
        return self

    def __exit__(self, *error: object) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def known(self) -> bool:
        """Return whether the engine ever wrote this output."""
        return bool(self._digests) or self._barred

    def own(self, content: bytes) -> bool:
        """Return whether `content` (bytes) is the engine's own last output."""
        return bool(self._digests) and _digest(content) in self._digests

    def note(self, *contents: bytes, needed: bool = False) -> None:
        """Record `contents` (bytes each) as the engine's own; OSError where that cannot be and is `needed`.

        Before a replacement both the old output and the new are noted: whichever a crash leaves is known. They are on
        disk when this returns, so before the new output can be.
        """
        digests = [_digest(content) for content in contents]
        if needed and self._error is not None:
            raise self._error
        if self._descriptor is None or digests == self._digests:
            return
        self._digests = digests
        line = os.fsencode(rooted(self._output)) + b"\n"
        text = b"".join(digest.encode() + b"  " + line for digest in digests)
        try:
            os.ftruncate(self._descriptor, os.pwrite(self._descriptor, text, 0))
            os.fsync(self._descriptor)
        except OSError:
            # A full disk: the next expansion then finds an unknown file, and saves it.
            if needed:
                raise


def _digest(data: bytes) -> str:
    return _algorithm(len(data))(data).hexdigest()


def _algorithm(octets: int) -> "Callable[[bytes], Hash]":
    """Return what makes a SHA-256 of so many octets soonest, its import included."""
    if octets < _MUCH:
        # hashlib loads OpenSSL, which takes longer than a whole expansion.
        try:
            from _sha256 import sha256

            return sha256
        except ImportError:
            pass
    from hashlib import sha256

    return sha256
