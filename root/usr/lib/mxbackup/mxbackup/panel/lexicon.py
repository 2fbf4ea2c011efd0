"""The panel's words: the charset of this variant and the lexicons in the server-manager's format."""

import re
import sys
from os.path import dirname, join
from xml.parsers import expat

from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

LANGUAGES = ("en-us", "fr")


def charset() -> str:
    """Return the charset (str) of this variant's pages, forms and lexicons."""
    library = dirname(dirname(dirname(__file__)))
    with open(join(library, "charset"), encoding="ascii") as file:
        return file.read().strip()


def choose(accept_language: str) -> str:
    """Return the language of LANGUAGES that an Accept-Language header (str) likes best (RFC 9110 §12.5.4)."""
    best, best_weight = LANGUAGES[0], 0.0
    for wish in accept_language[:1000].lower().split(","):
        tag, _, parameter = wish.strip().partition(";")
        quality = parameter.strip()[2:] if parameter.strip().startswith("q=") else "1"
        try:
            weight = float(quality)
        except ValueError:
            continue
        for language in LANGUAGES:
            same = tag.strip().partition("-")[0] == language.partition("-")[0]
            if same and best_weight < weight <= 1:
                best, best_weight = language, weight
    return best


def read(path: str, encoding: str) -> "dict[str, str]":
    """Return {base: translation} of the lexicon file `path`; line ends and indents count as one blank.

    The charset is given, not taken from the XML declaration, so that the two cannot disagree.
    """
    entries: dict[str, str] = {}
    text: list[str] = []
    entry: dict[str, str] = {}

    def start(name: str, attributes: "dict[str, str]") -> None:
        del text[:]

    def end(name: str) -> None:
        # A no-break space is part of a text.
        entry[name] = re.sub("[ \t\r\n]+", " ", "".join(text)).strip(" ")
        if name == "entry":
            entries[entry["base"]] = entry["trans"]

    parser = expat.ParserCreate(encoding)
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text.append
    with open(path, "rb") as file:
        parser.ParseFile(file)
    return entries


class Lexicon:
    """The entries of one language; called with a base it gives the text, its {fields} filled in."""

    def __init__(self, language: str, encoding: str) -> None:
        self.language = language
        path = f"/etc/e-smith/locale/{language}/etc/e-smith/web/functions/mxbackup"
        try:
            self._entries = read(rooted(path), encoding)
        except (OSError, expat.ExpatError) as error:
            # A page of bare entries still works; a lexicon is the manager's to edit.
            sys.stderr.write(f"mxbackup panel: {path}: {error}\n")
            self._entries = {}

    @property
    def bases(self) -> "Iterable[str]":
        """What it has entries for (an iterable of str)."""
        return self._entries.keys()

    def __contains__(self, base: str) -> bool:
        return base in self._entries

    def __call__(self, base: str, **fields: object) -> str:
        text = self._entries.get(base)
        return base if text is None else text.format(**fields)


class Lexicons:
    """The Lexicon of each language, read when first it is asked for."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._read: dict[str, Lexicon] = {}

    def liked(self, accept_language: str) -> Lexicon:
        """Return the one that an Accept-Language header likes best."""
        language = choose(accept_language)
        if language not in self._read:
            self._read[language] = Lexicon(language, self._encoding)
        return self._read[language]
