"""The mail servers' files: where each is, when it is written, which lines a rule gives.

A new mail server is one new entry of TARGETS and one thin fragment that calls text().
"""

import os

from esmith.paths import rooted
from mxbackup.host import engine
from mxbackup.mailservers import qmail_lists as morercpthosts
from mxbackup.rules import record
from mxbackup.rules.rule import DOMAIN, HOST

RCPTHOSTS = morercpthosts.RCPTHOSTS
SMTPROUTES = morercpthosts.CONTROL + "/smtproutes"
# The same two where SME 11 has them, for qpsmtpd.
QPSMTPD_RCPTHOSTS = morercpthosts.OTHER_RCPTHOSTS
QPSMTPD_SMTPROUTES = "/var/service/qpsmtpd/config/smtproutes"
GOODRCPTTO = "/var/service/qpsmtpd/config/goodrcptto"
CHECK_RULES = "/var/spool/smtpd/etc/smtpd_check_rules"

COMMENT = "# MX Backup rules"


class Target:
    """One mail file.

    `name`: what fragments call it; two files with one name hold the same lines. `path`: str, not rooted.
    `reader`: the program that reads it. `forms`: kind -> tuple of lines, `%` standing for the rule's name.
    """

    __slots__ = ("name", "path", "reader", "forms", "_applies")

    def __init__(self, name, path, reader, applies, host, domain):
        self.name = name
        self.path = path
        self.reader = reader
        self.forms = {HOST: host, DOMAIN: domain}
        self._applies = applies

    def applies(self):
        """Tell whether this host has the file, or a mail server that would read it (bool)."""
        return self._applies(self.path)

    def lines(self, rule):
        """Return the lines (list of str) that `rule` (a Rule) gives here, smart host or not."""
        return [form.replace("%", rule[0]) for form in self.forms[rule[1]]]

    def wanted(self, configuration):
        """Tell whether the rules of the record.Configuration belong in this file now (bool)."""
        return configuration.enabled and (self.name != "smtproutes" or bool(configuration.smart_host))

    def __repr__(self):
        return f"Target({self.name!r}, {self.path!r})"


def _folder_exists(path):
    return os.path.isdir(rooted(os.path.dirname(path)))


def _file_exists(path):
    return os.path.isfile(rooted(path))


def _own_file_exists(path):
    # It hides qmail's of the same name: a new one, or one of our lines alone, refuses the host's own mail.
    return (
        os.path.isfile(rooted(path)) and not os.path.islink(rooted(path))
        and (engine.is_ours() or engine.has_other_fragments(path))
    )


_NAME_LINES = {"host": ("%",), "domain": ("%", ".%")}
# Nothing after the colon: by DNS, not by the smart host, which would send the mail straight back.
_ROUTE_LINES = {"host": ("%:",), "domain": ("%:", ".%:")}

TARGETS = (
    Target("rcpthosts", RCPTHOSTS, "qmail-smtpd", _folder_exists, **_NAME_LINES),
    Target("smtproutes", SMTPROUTES, "qmail-remote", _folder_exists, **_ROUTE_LINES),
    Target("rcpthosts", QPSMTPD_RCPTHOSTS, "qpsmtpd", _own_file_exists, **_NAME_LINES),
    Target("smtproutes", QPSMTPD_SMTPROUTES, "qpsmtpd", _own_file_exists, **_ROUTE_LINES),
    # qpsmtpd refuses every recipient that is not in it, so it must not appear where it was not.
    Target("goodrcptto", GOODRCPTTO, "qpsmtpd", _file_exists, host=("@%",), domain=("@%",)),
    # One line a rule: smtpd fails on a line of more than 1,022 bytes.
    Target("smtpd_check_rules", CHECK_RULES, "obtuse smtpd", _folder_exists,
           host=("allow:ALL:ALL:*@%",), domain=("allow:ALL:ALL:*.% *@%",)),
)


def applying():
    """Return the Targets (list) that this host has."""
    return [target for target in TARGETS if target.applies()]


def find(name):
    """Return the first Target called `name` (str); raises KeyError."""
    for target in TARGETS:
        if target.name == name:
            return target
    raise KeyError(name)


def text(name, db=None):
    """Return what the fragment of target `name` (str) prints: a comment and the rules' lines, or "".

    `db`: the configuration Database, the host's where None. There is nothing where withheld().
    """
    lines = _lines(name, record.load(db))
    if not lines:
        return ""
    # The number tells where our part of a file ends.
    number = lines.count("\n")
    return "%s: the next %d %s from the record mxbackup; see 'mxbackup list'.\n%s" % (
        COMMENT, number, "line is" if number == 1 else "lines are", lines)


def part(text):
    """Return where our part of a mail file's `text` (str) begins and ends (int both); at its end for none."""
    begin = ("\n" + text).find("\n" + COMMENT + ": the next ")
    if begin < 0:
        return len(text), len(text)
    lines = text[begin:].split("\n")
    number = lines[0][len(COMMENT + ": the next "):].partition(" ")[0]
    own = lines[:1 + int(number)] if number.isdecimal() else lines[:1]
    return begin, min(len(text), begin + len("\n".join(own)) + 1)


def withheld():
    """Tell whether MXBACKUP_WITHHOLD=1 withholds every rule (bool), as before the package goes."""
    return os.environ.get("MXBACKUP_WITHHOLD") == "1"


def kinds(configuration):
    """Return the rules that count now (dict name -> kind): none where they are off or withheld."""
    return configuration.rules.kinds if configuration.enabled and not withheld() else {}


def entries(name, configuration):
    """Return the entries (list of str) that target `name` (str) gets from the record.Configuration."""
    return _lines(name, configuration).split("\n")[:-1]


def _lines(name, configuration):
    """Return the same as one text (str), a newline after each entry: many small lists take longer."""
    target = find(name)
    if withheld() or not target.wanted(configuration):
        return ""
    rules = configuration.rules.kinds
    forms = {kind: "".join(line + "\n" for line in lines) for kind, lines in target.forms.items()}
    if name == "rcpthosts":
        elsewhere = morercpthosts.compiled_names(rules)
        if elsewhere:
            suffix = {HOST: "", DOMAIN: ".%\n"}
            return "".join([
                (suffix if rule_name in elsewhere else forms)[kind].replace("%", rule_name)
                for rule_name, kind in rules.items()
            ])
    return "".join([forms[kind].replace("%", rule_name) for rule_name, kind in rules.items()])
