"""The server-manager's own frame: its style sheets, and what head.tmpl and foot.tmpl put around a panel.

Both files are Text::Template templates: HTML with `{ Perl code }` in it.
No Perl is run here. What is taken: style sheets of this host, the class of <body>, and the HTML inside <body>
without its code, scripts and forms. A file with unbalanced braces or markup gives nothing.
"""

import re

from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = "/etc/e-smith/web/common/"
_SHEET = re.compile(r"""(?:href\s*=\s*|url\(\s*|@import\s+)["']?(/[-\w./]+\.css)\b""", re.I)
_BODY = re.compile(r"""<body\b([^>]*)>(.*)""", re.I | re.S)
_CLASS = re.compile(r"""\bclass\s*=\s*["']?([-\w ]+)""", re.I)
_SCRIPT = re.compile(r"<script\b.*?</script\s*>|<style\b.*?</style\s*>|<!--.*?-->", re.I | re.S)
_ALLOWED = re.compile(r"""</?(div|p|hr|br|span|table|tbody|tr|td|th|img|b|i|em|strong|small|a|h1|h2)\b
    (?:\s+(?:class|id|align|valign|width|height|alt|src|border|title|href)\s*=\s*
       (?:"[^"<>]*"|'[^'<>]*'|[-\w%./]+))*\s*/?>""", re.I | re.X)
# An address that leads elsewhere than to a page: javascript: and its kin.
_ADDRESS = re.compile(r"""\b(?:src|href)\s*=\s*["']?\s*(?!/|\#|https?://|["'])\S""", re.I)


class Frame:
    """What goes around a page: `sheets` (addresses), `body_class`, and HTML `before` and `after` it."""

    def __init__(self, sheets: "Sequence[str]" = (), body_class: str = "", before: str = "",
                 after: str = "") -> None:
        self.sheets, self.body_class, self.before, self.after = sheets, body_class, before, after


def frame(encoding: str) -> Frame:
    """Return the Frame of the manager on this host; an empty one where there is none."""
    head, foot = _read("head.tmpl", encoding), _read("foot.tmpl", encoding)
    body = _BODY.search(_without_code(head))
    named = _CLASS.search(body.group(1)) if body else None
    before, after = _safe(body.group(2)) if body else "", _safe(_without_code(foot))
    sheets: list[str] = []
    for sheet in _SHEET.findall(head):
        if sheet not in sheets and ".." not in sheet and not sheet.startswith("//"):
            sheets.append(sheet)
    # What the head opens the foot closes: only both together make a page.
    pairs = re.findall(r"(?i)<(/?)(div|table|tbody|tr|td|span|a|p)\b", before + after)
    if any(sum(-1 if slash else 1 for slash, tag in pairs if tag.lower() == name) for name in
           {tag.lower() for _, tag in pairs} - {"p"}):
        before = after = ""
    return Frame(sheets, named.group(1) if named else "", before, after)


def _without_code(text: str) -> str:
    """Return `text` without its { Perl } blocks; nothing of it where the braces do not pair."""
    result: list[str] = []
    depth = start = 0
    for match in re.finditer(r"\\.|[{}]", text, re.S):
        if match.group() == "{":
            if depth == 0:
                result.append(text[start:match.start()])
            depth += 1
        elif match.group() == "}":
            depth -= 1
            start = match.end()
            if depth < 0:
                return ""
    return "" if depth else "".join(result) + text[start:]


def _safe(html: str) -> str:
    """Return `html` with nothing in it but known tags and attributes, balanced; else nothing."""
    html = _SCRIPT.sub("", html)
    html = re.sub(r"</?(body|html|form|center|font)\b[^>]*>", "", html, flags=re.I)
    if re.search(r"[<>]", _ALLOWED.sub("", html)) or _ADDRESS.search(html):
        return ""
    # A heading whose text was code is empty now; the page has its own.
    return re.sub(r"(?i)<(h[12])\b[^>]*>\s*</\1\s*>", "", html)


def _read(name: str, encoding: str) -> str:
    try:
        with open(rooted(FOLDER + name), "rb") as file:
            return file.read(1 << 16).decode(encoding, "replace")
    except OSError:
        return ""
