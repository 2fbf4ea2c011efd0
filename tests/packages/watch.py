"""Watches a file while a transaction runs: was it there at every moment, and with which content?"""

import ctypes
import os
import select
import struct
import threading

_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """A context manager; afterwards `missing` is how often the file `path` (pathlib.Path) was taken away
    and `contents` (list of str) are those it had, one after the other.

    The kernel tells of each change (inotify), so that no moment is missed between two looks.
    """

    def __init__(self, path):
        self.path = path
        self.missing = 0
        self.contents = [path.read_text()]

    def __enter__(self):
        self._inotify = _libc.inotify_init1(os.O_CLOEXEC)
        folder = os.fsencode(self.path.parent)
        events = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
        if _libc.inotify_add_watch(self._inotify, folder, events) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", str(self.path))
        self._ended, self._end = os.pipe()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        return self

    def _follow(self):
        while self._inotify in (ready := select.select([self._inotify, self._ended], [], [])[0]):
            self._note(os.read(self._inotify, 1 << 16))
        assert ready == [self._ended]

    def _note(self, data):
        while data:
            _, mask, _, length = struct.unpack_from("iIII", data)
            name, data = data[16:16 + length].rstrip(b"\0").decode(), data[16 + length:]
            if name == self.path.name:
                self.missing += bool(mask & (_MOVED_FROM | _DELETE))
                if mask & (_MOVED_TO | _CREATE):
                    self.contents.append(self.path.read_text())

    def __exit__(self, *exception):
        os.close(self._end)
        self._thread.join()
        os.close(self._ended)
        os.close(self._inotify)
