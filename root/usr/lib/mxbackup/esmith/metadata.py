"""What templates.metadata says of a template: where it lies, where it goes, whose it is, its mode."""

import os

from esmith.errors import TemplateError
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterator, List, Match, Optional, Tuple, Union

    Value = Union[int, str]

# What a Perl fragment author may write for "take out the blank lines", spaces aside.
BLANK_LINE_FILTERS = frozenset(
    (
        r"sub{$_[0]=~/^\s*$/?'':$_[0]}",
        r"sub{$_[0]=~/^\s*$/?" r'"":$_[0]}',
        r"\&removeBlankLines",
        r"\&esmith::templates::removeBlankLines",
    )
)

# What the Perl engine knows besides; to pass over one of these in silence would write another file.
PERL_ONLY = frozenset(
    (
        "MORE_DATA",
        "CONFREF",
        "ALL_RECORDS_AS_SCALARS",
        "TEMPLATE_EXPAND_QUEUE",
        "OUTPUT_PREFIX",
        "OUTPUT_TYPE",
    )
)

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "$": "$", "@": "@", "/": "/", "'": "'"}


class Metadata:
    """The settings of one template.

    template_path, output (str): absolute paths; perms (int or None: not set); uid, gid (str: a name or a
    number, or None); delete, blank_lines_go (bool); adopt (str: the fragment name of ADOPT, or "");
    warnings (list of str).
    """

    def __init__(self, template_path: str) -> None:
        self.template_path = self.output = template_path
        self.perms: Optional[int] = None
        self.uid: Optional[str] = None
        self.gid: Optional[str] = None
        self.delete = self.blank_lines_go = False
        self.adopt = ""
        self.warnings: List[str] = []


def read(path: str) -> Metadata:
    """Return the Metadata of the template `path` (str, absolute).

    Raises TemplateError, naming file, line and setting, for a value that cannot be had without running Perl.
    A name that nobody knows is passed over with a warning, as the Perl engine does.
    """
    metadata = Metadata(path)
    output_set = False
    for name, text, where in _settings(rooted("/etc/e-smith/templates.metadata" + path)):
        if name in PERL_ONLY:
            raise TemplateError(
                f"{where}: {name} is for the Perl engine only; remove it, or use a fragment"
            )
        if name == "FILTER":
            if "".join(text.split()).rstrip(";") not in BLANK_LINE_FILTERS:
                raise TemplateError(
                    f"{where}: FILTER: only the remover of blank lines is known here: "
                    r"sub { $_[0] =~ /^\s*$/ ? '' : $_[0] }"
                )
            metadata.blank_lines_go = True
            continue
        if name not in _READERS:
            metadata.warnings.append(f"{where}: unknown parameter '{name}' is passed over")
            continue
        attribute, reader = _READERS[name]
        try:
            setattr(metadata, attribute, reader(_literal(text)))
        except ValueError as error:
            raise TemplateError(f"{where}: {name}={text.strip()}: {error}") from None
        output_set = output_set or name == "OUTPUT_FILENAME"
    if not output_set:
        metadata.output = metadata.template_path
    return metadata


def _literal(text: str) -> "Value":
    """Return the int or str that the Perl literal `text` stands for; ValueError where it is none."""
    text = text.strip().rstrip(";").rstrip()
    quote, inner = text[:1], text[1:-1]
    # Most are plain text in quotes: re takes longer to import than all the rest here.
    if quote in ("'", '"') and text[-1:] == quote and len(text) > 1 and not {quote, "\\", "$", "@"} & set(inner):
        return inner
    return _any_literal(text)


def _any_literal(text: str) -> "Value":
    import re

    if re.match(r"(?:0[xX][0-9a-fA-F]+|0[bB][01]+|[0-9]+)\Z", text):
        if text[:2] in ("0x", "0X", "0b", "0B"):
            return int(text, 0)
        return int(text, 8 if text[0] == "0" else 10)
    single = re.match(r"'((?:[^'\\]|\\.)*)'\Z", text, re.S)
    if single:
        return re.sub(r"\\([\\'])", r"\1", single.group(1))
    double = re.match(r'"((?:[^"\\$@]|\\.)*)"\Z', text, re.S)
    if double:

        def unescape(found: "Match[str]") -> str:
            if found.group(1) not in _ESCAPES:
                raise ValueError(f"the escape \\{found.group(1)} is not supported")
            return _ESCAPES[found.group(1)]

        return re.sub(r"\\(.)", unescape, double.group(1), flags=re.S)
    raise ValueError("it is no number and no quoted text, and Perl code is not run here")


def _settings(folder_or_file: str) -> "Iterator[Tuple[str, str, str]]":
    """Yield (name, text, where) for each setting of a metadata file or folder."""
    try:
        if os.path.isdir(folder_or_file):
            for name in sorted(os.listdir(folder_or_file), key=os.fsencode):
                path = os.path.join(folder_or_file, name)
                if os.path.isfile(path):
                    with open(path, encoding="utf-8", errors="surrogateescape") as setting:
                        yield name, setting.read(), path
        elif os.path.isfile(folder_or_file):
            with open(folder_or_file, encoding="utf-8", errors="surrogateescape") as settings:
                for number, line in enumerate(settings, 1):
                    where = f"{folder_or_file} line {number}"
                    name, equals, text = line.strip().partition("=")
                    if not name or name.startswith("#"):
                        continue
                    if not equals:
                        raise TemplateError(f"{where}: not NAME=VALUE: {name}")
                    yield name.strip(), text, where
    except OSError as error:
        raise TemplateError(f"{error.filename}: cannot be read: {error.strerror}") from None


def _absolute(value: "Value") -> str:
    if not isinstance(value, str) or not value.strip("/") or ".." in value.split("/") or "\0" in value:
        raise ValueError("it is no path of a file")
    return "/" + value.strip("/")


def _perms(value: "Value") -> int:
    # The Perl engine reads a text that starts with 0 as octal, too.
    if isinstance(value, str):
        if not value or set(value) - set("01234567"):
            raise ValueError("it is no mode like 0644")
        value = int(value, 8 if value[0] == "0" else 10)
    if not 0 <= value <= 0o7777:
        raise ValueError("it is no mode like 0644")
    return value


def _fragment_name(value: "Value") -> str:
    plain = isinstance(value, str) and all(letter.isalnum() or letter in "_.-" for letter in value)
    if not plain or not isinstance(value, str) or value in ("", ".", ".."):
        raise ValueError("it is no name of a fragment")
    return value


_READERS: "Dict[str, Tuple[str, Callable[[Value], object]]]" = {
    "TEMPLATE_PATH": ("template_path", _absolute),
    "OUTPUT_FILENAME": ("output", _absolute),
    "PERMS": ("perms", _perms),
    "UID": ("uid", str),
    "GID": ("gid", str),
    "DELETE": ("delete", lambda value: value not in ("", "0", 0)),
    "ADOPT": ("adopt", _fragment_name),
}
