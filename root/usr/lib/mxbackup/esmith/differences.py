"""Unified diffs that stay quick for files of 100,000 lines, where difflib alone takes hours.

Lines that each file has just once are matched first, as many as can be in order; what lies between is short.
"""

from bisect import bisect_left
from difflib import SequenceMatcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, List, Optional, Tuple

# So many lines around a change are shown.
CONTEXT = 3
# A gap whose sides multiplied are more than this is shown as replaced: a search in it would take long.
_SEARCHED = 1000000


def unified(old: str, new: str, old_name: str, new_name: str) -> str:
    """Return the unified diff (str, "" where they are the same) from `old` to `new` (str each)."""
    if old == new:
        return ""
    before, after = old.splitlines(True), new.splitlines(True)
    matcher: SequenceMatcher[str] = SequenceMatcher(None, (), (), autojunk=False)
    matcher.opcodes = _opcodes(before, after)  # type: ignore[attr-defined]  # what get_opcodes() keeps
    text = [f"--- {old_name}\n+++ {new_name}\n"]
    for group in matcher.get_grouped_opcodes(CONTEXT):
        first, last = group[0], group[-1]
        text.append(f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n")
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                text += [_line(" ", line) for line in before[i1:i2]]
            else:
                text += [_line("-", line) for line in before[i1:i2]] + [
                    _line("+", line) for line in after[j1:j2]
                ]
    return "".join(text)


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


def _line(mark: str, line: str) -> str:
    return mark + (line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")


def _opcodes(before: "List[str]", after: "List[str]") -> "List[Tuple[str, int, int, int, int]]":
    """Return difflib's opcodes, (kind, i1, i2, j1, j2) each; kind is "equal" or "replace"."""
    opcodes: List[Tuple[str, int, int, int, int]] = []
    i = j = 0
    for start_i, start_j, length in _matches(before, after) + [(len(before), len(after), 0)]:
        if (i, j) != (start_i, start_j):
            opcodes.append(("replace", i, start_i, j, start_j))
        if length:
            opcodes.append(("equal", start_i, start_i + length, start_j, start_j + length))
        i, j = start_i + length, start_j + length
    return opcodes


def _matches(before: "List[str]", after: "List[str]") -> "List[Tuple[int, int, int]]":
    """Return the stretches (list of (i, j, length), in order, none touching the next) that both have."""
    found: List[Tuple[int, int, int]] = []

    def add(i: int, j: int, length: int) -> None:
        if found and found[-1][0] + found[-1][2] == i and found[-1][1] + found[-1][2] == j:
            found[-1] = found[-1][0], found[-1][1], found[-1][2] + length
        elif length:
            found.append((i, j, length))

    i = j = 0
    for anchor_i, anchor_j in _anchors(before, after) + [(len(before), len(after))]:
        while i < anchor_i and j < anchor_j and before[i] == after[j]:
            add(i, j, 1)
            i, j = i + 1, j + 1
        tail = 0
        while (
            tail < min(anchor_i - i, anchor_j - j)
            and before[anchor_i - tail - 1] == after[anchor_j - tail - 1]
        ):
            tail += 1
        gap = before[i : anchor_i - tail], after[j : anchor_j - tail]
        if 0 < len(gap[0]) * len(gap[1]) <= _SEARCHED:
            for match in SequenceMatcher(None, *gap, autojunk=False).get_matching_blocks():
                add(i + match.a, j + match.b, match.size)
        add(anchor_i - tail, anchor_j - tail, tail + (anchor_i < len(before)))
        i, j = anchor_i + 1, anchor_j + 1
    return found


def _anchors(before: "List[str]", after: "List[str]") -> "List[Tuple[int, int]]":
    """Return (i, j) for the lines that each side has once: the most that are in the same order in both."""
    places = [_once(lines) for lines in (before, after)]
    pairs = [(i, places[1][line]) for line, i in places[0].items() if line in places[1]]
    # The longest increasing subsequence of the j: for each length the smallest last j, and who came before.
    ends: List[Tuple[int, int]] = []
    chain: List[Optional[int]] = []
    for number, (_, j) in enumerate(pairs):
        length = bisect_left(ends, (j,))
        chain.append(ends[length - 1][1] if length else None)
        ends[length : length + 1] = [(j, number)]
    anchors = []
    last = ends[-1][1] if ends else None
    while last is not None:
        anchors.append(pairs[last])
        last = chain[last]
    return anchors[::-1]


def _once(lines: "List[str]") -> "Dict[str, int]":
    """Return {line: place} of the lines that are there once, in order."""
    places: Dict[str, Optional[int]] = {}
    for place, line in enumerate(lines):
        places[line] = None if line in places else place
    return {line: place for line, place in places.items() if place is not None}
