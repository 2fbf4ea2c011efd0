"""A constant database as qmail, mailfront and tinycdb read it: keys alone, without data.

Source: https://cr.yp.to/cdb/cdb.txt
"""

from struct import error, iter_unpack, pack, unpack_from

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import FrozenSet, Iterable, List, Tuple

_TABLES = 256
# Where each of the tables is, and how many slots it has.
_HEAD = 8 * _TABLES


def make(names: "Iterable[str]") -> bytes:
    """Return the cdb whose keys are `names`: the same names give the same bytes."""
    records = []
    tables: List[List[Tuple[int, int]]] = [[] for _ in range(_TABLES)]
    at = _HEAD
    for name in sorted(names):
        key = name.encode("utf-8", "surrogateescape")
        found = _hash(key)
        tables[found % _TABLES].append((found, at))
        records.append(pack("<LL", len(key), 0) + key)
        at += len(records[-1])
    heads, slots = [], []
    for table in tables:
        size = 2 * len(table)
        heads.append(pack("<LL", at, size))
        places = [(0, 0)] * size
        for found, place in table:
            slot = (found >> 8) % size
            while places[slot][1]:
                slot = (slot + 1) % size
            places[slot] = found, place
        slots += [pack("<LL", *place) for place in places]
        at += 8 * size
    return b"".join(heads + records + slots)


def keys(data: bytes) -> "FrozenSet[str]":
    """Return the keys of the cdb `data`; raises ValueError for what is none."""
    try:
        tables = list(iter_unpack("<LL", data[:_HEAD]))
        end = min(place for place, _ in tables) if len(tables) == _TABLES else 0
        found = []
        at = _HEAD
        while at < end:
            key_length, data_length = unpack_from("<LL", data, at)
            at += 8
            found.append(data[at:at + key_length])
            at += key_length + data_length
    except error:
        raise ValueError("no cdb") from None
    # Each key has two slots of eight bytes in the tables that follow, which end the file.
    if at != end or sum(slots for _, slots in tables) != 2 * len(found) or len(data) != end + 16 * len(found):
        raise ValueError("no cdb")
    # Decoded at once; a key with a newline in it is no name, and must not become two.
    text = b"\n".join(key for key in found if b"\n" not in key)
    return frozenset(text.decode("utf-8", "surrogateescape").split("\n")) - {""}


def _hash(key: bytes) -> int:
    found = 5381
    for byte in key:
        found = (found * 33 & 0xFFFFFFFF) ^ byte
    return found
