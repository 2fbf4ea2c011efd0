"""What each fragment gave last, for the Perl engine to print where the helper fails (docs/fragments.md)."""

import os

from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

# Below it the fragment's own place, as var/qmail/control/rcpthosts/20QandD.
FOLDER = "/var/lib/mxbackup/lines"


def keep(fragment: str, text: bytes) -> None:
    """Keep `text` as what `fragment` (TEMPLATE/NAME) gave last; where that cannot be, nothing is kept."""
    place = rooted(FOLDER + os.path.normpath("/" + fragment))
    try:
        with open(place, "rb") as kept:
            if kept.read() == text:
                return
    except OSError:
        pass
    from esmith import atomicfile

    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        atomicfile.replace(place, text)
    except OSError:
        # What it gave before the last time may open a domain again.
        if os.path.lexists(place) and os.access(os.path.dirname(place), os.W_OK):
            os.unlink(place)


def drop(template: str = "", good: "Optional[bytes]" = None) -> None:
    """Forget what all fragments, or those of `template`, gave, other than `good`: it must not come back.

    Raises OSError.
    """
    for parent, _, names in os.walk(rooted(FOLDER + template)):
        for name in names:
            path = os.path.join(parent, name)
            with open(path, "rb") as kept:
                same = kept.read() == good
            if not same:
                os.unlink(path)
