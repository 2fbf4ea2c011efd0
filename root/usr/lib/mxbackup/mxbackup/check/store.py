"""The last verdicts on the host's own rules: for the panel, and to notice a change."""

import json
import time

from esmith import atomicfile, locking
from esmith.paths import rooted
from mxbackup.check.verdict import GOOD, SERVER, Finding, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Container, Dict, Iterable, List

PATH = "/var/lib/mxbackup/verdicts.json"


def load() -> "Dict[str, Dict[str, Any]]":
    """Return the stored verdicts, {name: {"name", "kind", "state", "findings", "checked"}}, {} for none.

    `checked` is the time in seconds since 1970. The verdict on the server itself has the key "".
    """
    try:
        with open(rooted(PATH), encoding="utf-8") as file:
            verdicts = json.load(file)["verdicts"]
        return {name: verdict for name, verdict in verdicts.items() if _is_whole(verdict)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def save(verdicts: "Iterable[Verdict]", rules: "Container[str]") -> "List[Verdict]":
    """Store `verdicts` (list of Verdict) beside those on other `rules` (names); return those that changed.

    A verdict changes with its state; a first one that is good is no change. Raises OSError.
    """
    path = rooted(PATH)
    changed: List[Verdict] = []
    now = int(time.time())
    with locking.Held(path + ".lock"):
        before = load()
        kept = {name: verdict for name, verdict in before.items() if name == "" or name in rules}
        for verdict in verdicts:
            name = "" if verdict.kind == SERVER else verdict.name
            if verdict.state != before.get(name, {}).get("state", GOOD):
                changed.append(verdict)
            kept[name] = dict(verdict.as_dictionary(), checked=now)
        text = json.dumps({"verdicts": kept}, indent=1, sort_keys=True) + "\n"
        atomicfile.replace(path, text.encode("ascii"), mode=0o644)
    return changed


def _is_whole(verdict: "Dict[str, Any]") -> bool:
    """Tell whether `verdict`, as the file holds it, has what is looked at in one."""
    texts = [verdict["state"]] + [
        finding[field] for finding in verdict["findings"] for field in Finding._fields]
    # No calendar goes beyond the year 9999.
    return all(isinstance(text, str) for text in texts) and bool(0 <= verdict["checked"] < 253402300800)
