"""What a check found, in the reader's language.

The check says things in English sentences. The lexicon has an entry for each, whose base has {a}, {b} and so
on where the sentence has a name, a number, a server's words, or another sentence of its own.
"""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Pattern

    from mxbackup.panel.lexicon import Lexicon

DEPTH = 3  # sentences within one another


class Interpreter:
    """Called with a sentence (str), it gives it in the language of `lexicon` (lexicon.Lexicon), or None."""

    def __init__(self, lexicon: "Lexicon") -> None:
        self._lexicon = lexicon
        # What says most comes first: "{a}: no answer in time" would do for longer sentences, too.
        bases = sorted((base for base in lexicon.bases if " " in base),
                       key=lambda base: -len(re.sub("{[a-z]}", "", base)))
        self._patterns = [(base, _pattern(base)) for base in bases]

    def __call__(self, sentence: str, depth: int = DEPTH) -> "str | None":
        for base, pattern in self._patterns:
            match = pattern.fullmatch(sentence)
            if match:
                return self._lexicon(base, **{
                    place: self._within(text, depth - 1) for place, text in match.groupdict().items()})
        return None

    def _within(self, text: str, depth: int) -> str:
        """Return `text`, which stands in a place, interpreted where it is a sentence or a list of such."""
        if not depth or " " not in text:
            return text
        parts = [self(part, depth) for part in text.split(", ")]
        known = [part for part in parts if part]
        return ", ".join(known) if len(known) == len(parts) else self(text, depth) or text


def _pattern(base: str) -> "Pattern[str]":
    """Return the compiled pattern of the sentences that the entry `base` is for."""
    parts = re.split("{([a-z])}", base)  # text, place, text, ...
    return re.compile("".join(f"(?P<{part}>.+?)" if index % 2 else re.escape(part)
                              for index, part in enumerate(parts)))
