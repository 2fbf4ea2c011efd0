"""The lexicons: each language has every text that the panel uses, and no other."""

import ast
import re
import time
from xml.etree import ElementTree

import pytest
from sandbox import ROOT

from mxbackup.panel import findings, lexicon, visit

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
        "ERR_400", "ERR_403", "ERR_404", "ERR_405", "ERR_413", "ERR_421", "ERR_500", "ERR_504"}
# Names of the environment and of forms that look like entries.
NOT_ENTRIES = {"GET", "POST", "REMOTE_USER", "PATH_INFO", "HTTP_HOST", "HTTP_ORIGIN", "HTTP_COOKIE",
               "REQUEST_METHOD", "QUERY_STRING", "SCRIPT_NAME", "HTTP_ACCEPT_LANGUAGE", "CONTENT_LENGTH",
               "CONTENT_TYPE", "AUTH_TYPE", "HTTPS", "PATH", "REMOTE_ADDR", "REQUEST", "SERVER_NAME", "SERVER_PORT",
               "SERVER_PROTOCOL",
               "GATEWAY_INTERFACE", "ESMITH_ROOT", "SAMEORIGIN", "ERR_"}


# Functions of mxbackup.rules.rule, .lists and .idn that say why a rule or a line of a list is refused.
REFUSING = {"fault", "parse_name", "read", "_read_json", "a_labels", "_package"}


def reasons():
    """Why a rule or a line of a list is refused, word for word as the code says it."""
    from mxbackup.rules import rule as rules

    found = {rules.TOO_WIDE}
    for module in ("rule", "lists", "idn"):
        tree = ast.parse((ROOT / "usr/lib/mxbackup/mxbackup/rules" / (module + ".py")).read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef) and function.name in REFUSING:
                told = {node.value for statement in function.body for node in ast.walk(statement)
                        if isinstance(node, ast.Constant)}
                told -= {ast.get_docstring(function, clean=False)}
                found |= {text[:-2] if text.endswith(" (") else text for text in told
                          if isinstance(text, str) and " " in text.strip()}
    assert len(found) > 12
    return found


LIBRARY = ROOT / "usr/lib/mxbackup/mxbackup"
# Where the findings of a check are worded.
CHECKING = ("check/certificate", "check/exchangers", "check/files", "check/loop", "check/mtasts", "check/options",
            "check/relay", "check/reverse", "check/standing", "check/survey", "mailservers/fate",
            "mailservers/qmail", "network/address", "network/dns", "network/https", "network/smtp")
# What the check says elsewhere: on the command line, in a dialogue, in a message, or as a note.
NOT_FINDINGS = {
    "Host {} not found: {}", "Using domain server:", "Address: {}#{}", "Connected to {}.",
    "Escape character is '^]'.", "telnet: Unable to connect: {}", "({} from here on)", "Message-ID: {}",
    "Subject: Test of the backup MX", "This message went through {}, a backup MX for {}.",
    "It was sent by 'mxbackup check --send'; nothing needs to be done.", "{} mail is handled by {} {}.",
    "MX backup is disabled: no rule is in force", "repair or remove that name server",
    "repair or switch off STARTTLS there", "see that the primary does not relay on such addresses",
    "wait until the zone is the same everywhere, and look again", "give it a public address in DNS",
    "the name servers do not agree: {} says {}, {} says {}", "port {} of the primary, {} ({}),", "{} answers",
    "{} cannot be reached from elsewhere", "{} does not answer: {}", "{} ({}) is an MX behind {} ({})",
    "only the first {} of {} MX records were looked at", "{} holds what the database says",
    "{} sends mail for {} by DNS, not to the smart host", "{} sends mail for {} to {}, not by DNS",
    "no smart host is set: mail goes out by DNS", "it puts off <{}> instead of refusing it: {}",
    "it takes <{}>, which has no domain, for a mailbox of its own", "{} takes mail for {}",
    "it takes {}: what is left of the @ is the primary's business", "it takes mail for names below {}",
    "it refuses mail for names below {}", "it {} mail for names below {}, as for a {} rule",
    "{} refuses mail for domains that are not its own", "{}: it offers STARTTLS, but: {}",
    "{}: it goes on talking after STARTTLS", "Connection closed by foreign host.", "{} is an alias for {}.",
    "Trying {}...", "Name: {}", "Date: {}", "From: {}", "{} <{}>", "{}: {}", "{} ({})", "{}: there is no connection",
    "{} is what the database says, for {}", "{} sends mail for {} to the next hop {}",
    "GET {} HTTP/1.0\r\nHost: {}\r\nUser-Agent: mxbackup\r\nConnection: close\r\n\r\n",
}


def template(node):
    """Return the sentence that an expression makes, with {} for what is not said there; or None."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub("{[a-z]+}", "{}", node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return "".join("{}" if part is None else part for part in (template(node.left), template(node.right)))
    return None


class Sentences(ast.NodeVisitor):
    """The sentences (`found`) in a module, without its docstrings and refusals of the command line."""

    def __init__(self):
        self.found = set()

    def visit(self, node):
        text = template(node)
        if text is None:
            super().visit(node)
        elif re.search("[a-z] |} |: {", text):
            self.found.add(text)

    def visit_Expr(self, node):
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Raise(self, node):
        if "WrongUse" not in ast.dump(node):
            self.generic_visit(node)

    def visit_Assign(self, node):
        if not isinstance(node.targets[0], ast.Attribute) or node.targets[0].attr != "__doc__":
            self.generic_visit(node)

    def visit_Call(self, node):
        if getattr(node.func, "id", "") != "namedtuple":
            self.generic_visit(node)


def findings_said():
    """The sentences of the check's findings, word for word as its code says them."""
    from mxbackup.check import relay

    sentences = Sentences()
    for module in CHECKING:
        sentences.visit(ast.parse((LIBRARY / (module + ".py")).read_text()))
    found = sentences.found - {form for form, _ in relay.STRANGERS}
    assert sorted(NOT_FINDINGS - found) == []
    return found - NOT_FINDINGS | {f"{form} <{{}}>" for form, _ in relay.STRANGERS}


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


@pytest.mark.parametrize("language", lexicon.LANGUAGES)
def test_every_finding_can_be_said_and_no_other(language, panel_host):
    words = lexicon.Lexicon(language, "UTF-8")
    say = findings.Interpreter(words)
    entries = {re.sub("{[a-z]}", "{}", base): base for base in words.bases if " " in base}
    said = findings_said()
    assert sorted(sentence for sentence in said if say(sentence.replace("{}", "x.example")) is None) == []
    # Two are general: they begin a command to run.
    general = {entry for _, entry in visit.REASONS}
    assert sorted(set(entries) - said - reasons() - general) == ["run this check from outside: {}", "run: {}"]
    for sentence in said & set(entries):
        places = dict.fromkeys("abcdef", "x.example")
        assert say(sentence.replace("{}", "x.example")) == words(entries[sentence], **places)


def test_a_finding_is_said_in_french_with_the_sentences_in_it(panel_host):
    say = findings.Interpreter(lexicon.Lexicon("fr", "UTF-8"))
    assert say("MX 5 mail.a.org: 1.2.3.4:53, asked for A of mail.a.org: no answer in time") == (
        "MX 5 mail.a.org\u00a0: 1.2.3.4:53, interrogé sur A de mail.a.org\u00a0: pas de réponse à temps")
    assert say("OPEN RELAY: from 1.2.3.4 it takes mail for an address literal <user@[192.0.2.25]>, "
               "the same in upper case <U@E.ORG>") == (
        "RELAIS OUVERT\u00a0: depuis 1.2.3.4, il accepte le courrier pour "
        "une adresse IP littérale <user@[192.0.2.25]>, le même en majuscules <U@E.ORG>")
    assert say("the rule 'co.uk' is ignored: is a public suffix: "
               "as a DOMAIN it would open the relay to strangers").startswith("la règle «\u00a0co.uk\u00a0» est")
    assert say("something that no check says") is None


def test_what_a_server_says_is_interpreted_in_little_time(panel_host):
    say = findings.Interpreter(lexicon.Lexicon("fr", "UTF-8"))
    started = time.process_time()
    for words in (": ", ", asked for ", " of ", "it takes mail for ", "x: x, ", "MX 1 x: "):
        say("it refuses mail for a.org: " + (words * 1000)[:970])
        say((words * 1000)[:1000])
    assert time.process_time() - started < 5


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
