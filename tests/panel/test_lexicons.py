"""The lexicons: each language has every text that the panel uses, and no other."""

import ast
import re
from xml.etree import ElementTree

import pytest

from mxbackup.panel import lexicon
from sandbox import ROOT

PANEL = ROOT / "usr/lib/mxbackup/mxbackup/panel"
FILES = {language: ROOT / "etc/e-smith/locale" / language / "etc/e-smith/web/functions/mxbackup"
         for language in lexicon.LANGUAGES}


def bases(language):
    return [entry.find("base").text for entry in ElementTree.parse(str(FILES[language])).getroot()]


def strings(path):
    return {node.value for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def used():
    """Entries that pages and code name, and those that the manager reads of the function file."""
    found = set()
    for path in (PANEL / "pages").glob("*.html"):
        for expression in re.findall(r"_\(([^()]*)", path.read_text()):
            found |= set(re.findall(r'"([A-Z][A-Z_]+)"', expression))
        found |= set(re.findall(r'\b_\("([A-Z_]+)"', path.read_text()))
    for path in PANEL.glob("*.py"):
        found |= {text for text in strings(path) if re.fullmatch("[A-Z][A-Z]+(_[A-Z0-9]+)*", text)}
    function = (ROOT / "etc/e-smith/web/functions/mxbackup").read_text()
    found |= set(re.findall(r"(?m)^# (?:heading|description) +: (.+)$", function))
    return found


# What the code puts together.
MADE = {"SUCCESS_ENABLED", "SUCCESS_DISABLED", "HOST_MEANS", "DOMAIN_MEANS",
        "ERR_400", "ERR_403", "ERR_404", "ERR_405", "ERR_413", "ERR_421", "ERR_500"}
# Names of the environment and of forms that look like entries.
NOT_ENTRIES = {"GET", "POST", "REMOTE_USER", "PATH_INFO", "HTTP_HOST", "HTTP_ORIGIN", "HTTP_COOKIE",
               "REQUEST_METHOD", "QUERY_STRING", "SCRIPT_NAME", "HTTP_ACCEPT_LANGUAGE", "CONTENT_LENGTH",
               "CONTENT_TYPE",
               "GATEWAY_INTERFACE", "ESMITH_ROOT", "SAMEORIGIN", "ERR_"}


# Functions of mxbackup.rules, .rulelist and .idn that say why a rule or a line of a list is refused.
REFUSING = {"fault", "parse_name", "read", "_read_json", "a_labels", "_package"}


def reasons():
    """Why a rule or a line of a list is refused, word for word as the code says it."""
    from mxbackup import rules

    found = {rules.TOO_WIDE}
    for module in ("rules", "rulelist", "idn"):
        tree = ast.parse((ROOT / "usr/lib/mxbackup/mxbackup" / (module + ".py")).read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name in REFUSING:
                told = {node.value for node in ast.walk(function) if isinstance(node, ast.Constant)}
                told -= {ast.get_docstring(function, clean=False)}
                found |= {text.replace(" (%s)", "") for text in told
                          if isinstance(text, str) and " " in text.strip()}
    assert len(found) > 12
    return found


@pytest.mark.parametrize("language", lexicon.LANGUAGES)
def test_nothing_is_missing_extra_or_unused(language):
    entries = bases(language)
    assert len(entries) == len(set(entries)), "twice"
    keys = {entry for entry in entries if " " not in entry}
    wanted = (used() | MADE) - NOT_ENTRIES
    assert sorted(wanted - keys) == [], "missing"
    assert sorted(keys - wanted) == [], "unused"


def test_every_reason_can_be_said():
    sentences = {entry for entry in bases("fr") if " " in entry}
    assert sorted(reasons() - sentences) == []


def test_the_languages_have_the_same_entries_in_the_same_order_and_the_same_fields():
    assert bases("en-us") == bases("fr")
    english, french = (lexicon.read(str(FILES[language]), "UTF-8") for language in lexicon.LANGUAGES)
    for base in english:
        assert set(re.findall(r"{\w+}", english[base])) == set(re.findall(r"{\w+}", french[base])), base


@pytest.mark.parametrize("language", lexicon.LANGUAGES)
def test_the_file_is_a_lexicon_of_the_server_manager(language):
    root = ElementTree.parse(str(FILES[language])).getroot()
    assert root.tag == "lexicon" and root.attrib == {"lang": language}
    for entry in root:
        assert [child.tag for child in entry] == ["base", "trans"] and entry.tag == "entry"
        assert entry.find("trans").text.strip()
    FILES[language].read_text().encode("latin-1")  # what the ISO-8859-1 variant needs


def test_french_has_its_spaces_and_quotes():
    for base, text in lexicon.read(str(FILES["fr"]), "UTF-8").items():
        assert not re.search(r"(?<!\u00a0)[;!?»](?!\w)", text), (base, text)
        assert not re.search(r"(?<!\u00a0)(?<!%H):(?=\s|$)", text), (base, text)
        assert not re.search("«(?!\u00a0)", text) and '"' not in text, (base, text)


@pytest.mark.parametrize("header, language", [
    ("", "en-us"), ("fr", "fr"), ("fr-CA", "fr"), ("FR;q=0.9, en;q=0.8", "fr"),
    ("en;q=0.9, fr;q=0.8", "en-us"), ("de, fr;q=0", "en-us"), ("*", "en-us"), ("frr", "en-us"),
    ("fr;q=7", "en-us"), ("de,nl;q=0.5,fr-FR;q=0.1", "fr"),
])
def test_the_language_is_the_browser_s_choice(header, language):
    assert lexicon.choose(header) == language


def test_a_text_that_is_missing_is_shown_by_its_base(panel_host):
    words = lexicon.Lexicon("fr", "UTF-8")
    assert words("NO_SUCH_ENTRY") == "NO_SUCH_ENTRY" and "NO_SUCH_ENTRY" not in words
    assert words("MORE", count=3) == "... et 3 de plus."
