"""Rules as the rows of a page's table."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.verdicts import Found


class Row:
    """A rule as a page shows it; `unicode` is the name as people write it where that differs."""

    def __init__(self, name: str, kind: str, verdict: "Found | None" = None) -> None:
        self.name, self.kind, self.verdict = name, kind, verdict
        self.unicode = readable(name)


def readable(name: str) -> str:
    """Return the U-label form of the A-label `name`, or "" where it has none that can be shown."""
    if "xn--" not in name:
        return ""
    try:
        text = ".".join(label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label
                        for label in name.split("."))
    except (UnicodeError, ValueError, OverflowError):
        return ""
    # Such as turns the direction of writing, or takes no room.
    return text if text.isprintable() else ""
