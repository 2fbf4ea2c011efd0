"""What a rule has beside its name and kind: its words, as they are kept, refused, and read."""

import pytest

from esmith.errors import DatabaseError
from mxbackup.mailfiles.wanted import wanted
from mxbackup.mailservers import qmail
from mxbackup.rules import extras, nexthop
from mxbackup.rules.rule import RuleError
from mxbackup.rules.words import WORDS

CONFIGURATION = "/home/e-smith/db/configuration"
EXTRAS = "/home/e-smith/db/mxbackup"


@pytest.fixture
def here(host, monkeypatch):
    """The host, for code that runs in this process."""
    monkeypatch.setenv("ESMITH_ROOT", str(host.path))
    host.write(CONFIGURATION, "mxbackup=service|name|smithnet.com,1,mail.bar.org,0|status|enabled\n")
    return host


@pytest.mark.parametrize(
    "text, kept",
    [
        ("mail.smithnet.com", "mail.smithnet.com"),
        (" Mail.SmithNet.com. ", "mail.smithnet.com"),
        ("mail.smithnet.com:2525", "mail.smithnet.com:2525"),
        ("mail.smithnet.com:0025", "mail.smithnet.com:25"),
        ("bücher.example.org:26", "xn--bcher-kva.example.org:26"),
        ("[10.0.0.5]", "[10.0.0.5]"),
        ("[10.0.0.5]:2525", "[10.0.0.5]:2525"),
        ("10.0.0.5:2525", "[10.0.0.5]:2525"),
        ("[2001:DB8:0::5]", "[2001:db8::5]"),
        ("[IPv6:2001:db8::5]:2525", "[2001:db8::5]:2525"),
    ],
)
def test_a_next_hop_is_kept_in_one_form(text, kept):
    assert nexthop.parse(text) == kept == nexthop.parse(kept)
    host, port = nexthop.split(kept)
    assert kept.startswith(("[" + host + "]", host)) and port == int(kept.rpartition(":")[2] if port != 25 else 25)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ":25", "mail", "mail.smithnet.com:", "mail.smithnet.com:0", "mail.smithnet.com:65536",
        "mail.smithnet.com:25:25", "mail.smithnet.com:²", "mail.smithnet.com:+25", "mail smithnet.com", "a.com b.com",
        "[mail.smithnet.com]", "[10.0.0.5", "10.0.0.5]", "[10.0.0.5]25", "[]", "[10.0.0]", "10.0.0", "10.0.0.256",
        "2001:db8::5", "[fe80::1%eth0]", "smtp:mail.smithnet.com", "a.com|b", "a.com\nb.com", "#a.com", "user@a.com",
        "{{7*7}}.com", "a" * 300 + ".com",
    ],
)
def test_what_is_no_next_hop_is_refused(text):
    with pytest.raises(RuleError):
        nexthop.parse(text)


@pytest.mark.parametrize(
    "key, text, kept",
    [
        ("contact", "Postmaster@SmithNet.com", "Postmaster@smithnet.com"),
        ("contact", "jörg@bücher.example.org", "jörg@xn--bcher-kva.example.org"),
        ("note", "  until May, or so; #3 \"soon\" ", "until May, or so; #3 \"soon\""),
    ],
)
def test_a_contact_and_a_note_are_kept(key, text, kept):
    parse = {word.key: word.parse for word in WORDS}[key]
    assert parse(text) == kept == parse(kept)


@pytest.mark.parametrize(
    "key, text",
    [
        ("contact", "smithnet.com"), ("contact", "@smithnet.com"), ("contact", "a b@smithnet.com"),
        ("contact", "a@b@smithnet.com"), ("contact", "a@-.com"), ("contact", "a|b@smithnet.com"),
        ("note", "a|b"), ("note", "a\\"), ("note", "a\\nb"), ("note", "two\nlines"), ("note", "\x1b[2J"),
        ("note", "x" * 1001),
    ],
)
def test_what_the_database_cannot_hold_is_refused(key, text):
    parse = {word.key: word.parse for word in WORDS}[key]
    with pytest.raises(RuleError):
        parse(text)


def test_the_next_hops_are_those_of_rules_in_force(here):
    here.write(EXTRAS, "catalog:a.org=catalog|NextHop|mx.a.org\ngone.org=rule|NextHop|mx.gone.org\n"
                       "mail.bar.org=rule|Note|hello\nsmithnet.com=rule|Future|x|NextHop|[10.0.0.5]:2525\n")
    assert wanted(qmail.SERVER).next_hops == {"smithnet.com": "[10.0.0.5]:2525"}
    assert extras.orphans({"smithnet.com", "mail.bar.org"}, extras.load()) == ["gone.org"]
    here.write(CONFIGURATION, "mxbackup=service|name|smithnet.com,1|status|disabled\n")
    assert wanted(qmail.SERVER).next_hops == {}


def test_a_next_hop_that_would_be_refused_stops_what_reads_it(here):
    here.write(EXTRAS, "smithnet.com=rule|NextHop|a.org\\nb.org\n")
    with pytest.raises(extras.ExtrasError, match="smithnet.com.*NextHop.*correct it"):
        wanted(qmail.SERVER)
    # Not where no rule is in force: a withdrawal must come to its end.
    here.write(CONFIGURATION, "mxbackup=service|name|smithnet.com,1|status|disabled\n")
    assert wanted(qmail.SERVER).in_force == {}


def test_extras_that_cannot_be_read_stop_what_reads_them(here):
    (here / EXTRAS).mkdir()
    with pytest.raises(DatabaseError):
        wanted(qmail.SERVER)
