"""Public suffixes: names below which strangers register theirs (https://publicsuffix.org/list/).

Both sections of the list count: below `github.io` live strangers as below `co.uk`.
"""

from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Sequence, Tuple

LIST = "/usr/share/publicsuffix/public_suffix_list.dat"

# Up to so many names it is quicker to search the text of the list than to make a set of it.
_FEW = 6

# Where the distribution's list is missing: the registries that a DOMAIN rule is most likely to hit.
_SHORT_LIST = """
ac.at co.at gv.at or.at com.au net.au org.au edu.au gov.au ac.be com.br net.br org.br gov.br co.ca
gc.ca *.ck !www.ck com.cn net.cn org.cn gov.cn edu.cn com.co co.cr com.cy com.de *.er com.es nom.es
org.es asso.fr com.fr gouv.fr nom.fr com.gr co.hu com.hk co.id co.il org.il co.in net.in org.in
co.it ac.jp co.jp go.jp ne.jp or.jp *.kawasaki.jp !city.kawasaki.jp *.kh co.kr or.kr com.mt com.mx
org.mx com.my co.nz net.nz org.nz govt.nz *.np *.pg com.ph com.pl net.pl org.pl com.pt com.ro com.ru
msk.ru com.sa com.sg co.th com.tr org.tr com.tw com.ua ac.uk co.uk gov.uk ltd.uk me.uk net.uk nhs.uk
org.uk plc.uk police.uk sch.uk com.ve com.vn ac.za co.za org.za eu.com uk.com us.com eu.org
blogspot.com dyndns.org github.io no-ip.org herokuapp.com cloudfront.net azurewebsites.net
""".split()

_text: "Optional[bytes]" = None
_source = ""


def source() -> str:
    """Return the path (str) of the list in use, or "" where it is the built-in short one."""
    _load()
    return _source


def warning() -> str:
    """Return a warning (str) where the built-in short list is in use, else ""."""
    if source():
        return ""
    return (f"{LIST} is missing or damaged: only the best known public suffixes are recognised;"
            " install publicsuffix-list (on Debian: publicsuffix)")


def among(names: "Sequence[str]") -> "List[str]":
    """Return those of `names` (list of str, A-labels in lower case) that are public suffixes, in their order.

    A name whose children are all public suffixes (`kawasaki.jp`, by the rule `*.kawasaki.jp`) counts as one.
    """
    if not names:
        return []
    text = _load()
    if len(names) <= _FEW:
        return [name for name in names if _matches(name, lambda rule: b"\n" + rule.encode() + b"\n" in text)]
    rules = text.decode("utf-8", "replace").split("\n")
    wild = {rule[2:] for rule in rules if rule.startswith("*.")}
    listed = set(rules)
    likely = [
        name for name in names
        if name in listed or name in wild or name[name.find(".") + 1:] in wild or "xn--" in name
    ]
    return [name for name in likely if _matches(name, listed.__contains__)]


def _load() -> bytes:
    """Return the list (bytes), one rule or comment between two newlines."""
    global _text, _source
    if _text is None:
        _text, _source = _read()
    return _text


def _read() -> "Tuple[bytes, str]":
    """Return the list, as _load() does, and its path, "" for the built-in short one."""
    # The list is part of the program's surroundings, as Python is: a sandbox without one has the host's.
    for path in (rooted(LIST), LIST):
        try:
            with open(path, "rb") as stream:
                text = b"\n" + stream.read().replace(b"\r", b"") + b"\n"
        except OSError:
            continue
        # One without it is empty, cut short or no such list at all.
        if b"\nco.uk\n" in text:
            return text, path
    return ("\n" + "\n".join(_SHORT_LIST) + "\n").encode(), ""


def _matches(name: str, listed: "Callable[[str], bool]") -> bool:
    """Apply the list's algorithm to `name`; `listed` tells whether a line (str) is in the list."""
    if "." not in name:
        return True
    for form in {name, _u_labels(name)}:
        if listed("!" + form):
            return False
        if listed(form) or listed("*." + form) or listed("*." + form.partition(".")[2]):
            return True
    return False


def _u_labels(name: str) -> str:
    """Return `name` with its A-labels decoded (RFC 3492), as the list writes them."""
    if "xn--" not in name:
        return name
    return ".".join(map(_u_label, name.split(".")))


def _u_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        decoded.encode("utf-8")
        return decoded
    except (UnicodeError, ValueError, OverflowError):
        return label
