"""Names, kinds, the flat list: what is a rule and what is refused, with the reason."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox import ROOT

sys.path.insert(0, str(ROOT / "usr/lib/mxbackup"))

from mxbackup.rules import publicsuffix  # noqa: E402
from mxbackup.rules import rule as rules
from mxbackup.rules.rule import DOMAIN, HOST, Rule, RuleError  # noqa: E402


def parse(value):
    found, ignored = rules.parse_list(value, publicsuffix.among)
    return [tuple(rule) for rule in found], [tuple(entry) for entry in ignored]


@pytest.mark.parametrize("given, kept", [
    ("smithnet.com", "smithnet.com"),
    ("SmithNet.COM.", "smithnet.com"),
    ("  smithnet.com\t", "smithnet.com"),
    ("0d.67y4gd7a.5xa60h.com", "0d.67y4gd7a.5xa60h.com"),
    ("1.1.1.1.in-addr.arpa", "1.1.1.1.in-addr.arpa"),
    ("a" * 63 + ".org", "a" * 63 + ".org"),
    (".".join(["a" * 49] * 5) + ".fr", ".".join(["a" * 49] * 5) + ".fr"),
    ("xn--strae-oqa.de", "xn--strae-oqa.de"),
    ("straße.de", "xn--strae-oqa.de"),
    ("STRASSE.de", "strasse.de"),
    ("Bücher.example", "xn--bcher-kva.example"),
    ("βόλος.com", "xn--nxasmm1c.com"),
    ("ｓｍｉｔｈｎｅｔ。com", "smithnet.com"),
    ("例え.jp", "xn--r8jz45g.jp"),
    ("\u212aelvin.org", "kelvin.org"),
])
def test_a_name_is_kept_in_lower_case_as_a_labels_without_a_final_dot(given, kept):
    assert rules.parse_name(given) == kept


@pytest.mark.parametrize("given, reason", [
    ("", "empty"),
    (".", "empty"),
    ("com", "two labels"),
    ("localhost.", "two labels"),
    ("a..b", "empty label"),
    (".smithnet.com", "smithnet.com --domain"),
    ("smithnet.com..", "empty label"),
    ("-a.org", "hyphen"),
    ("a-.org", "hyphen"),
    ("a.-org", "hyphen"),
    ("a.org-", "hyphen"),
    ("1.2.3.4", "digits"),
    ("smithnet.123", "digits"),
    ("a" * 64 + ".org", "63 octets"),
    (".".join(["a" * 50] * 5) + ".org", "253"),
    ("a_b.org", "letters, digits"),
    ("a b.org", "letters, digits"),
    ("a.org,b.org", "letters, digits"),
    ("a.org\nb.org", "letters, digits"),
    ("a.org\n", "letters, digits"),
    ("a.org\0", "letters, digits"),
    ("a|b.org", "letters, digits"),
    ("{{7*7}}.org", "letters, digits"),
    ("*.org", "letters, digits"),
    ("user@smithnet.com", "is a mail address"),
    ("smithnet.com:25", "letters, digits"),
    ("[192.0.2.1]", "letters, digits"),
    ("m\udcfcller.de", "internationalised"),
    ("\u2615\ufe0f\u200d.org", "internationalised"),
    ("ü" * 3000 + ".org", "253"),
])
def test_what_is_no_host_name_is_refused_with_the_reason(given, reason):
    with pytest.raises(RuleError) as refused:
        rules.parse_name(given)
    assert reason in refused.value.reason
    assert str(refused.value).isprintable() and len(str(refused.value)) < 500


LABEL = st.text("ab0-", min_size=1, max_size=66)
NAME = st.lists(LABEL, min_size=1, max_size=6).map(".".join)


@given(st.lists(NAME | st.text("a.,-0\n", max_size=8), max_size=40))
@settings(max_examples=300, deadline=None)
def test_many_names_at_once_and_each_alone_are_judged_alike(names):
    import re
    label = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    valid = re.compile(rf"(?=.{{1,253}}\Z)(?:{label}\.)+(?![0-9]+\Z){label}\Z")
    bad = {name for name in names if not valid.match(name)}
    assert rules.faulty(names) == bad
    assert (rules.fault(names) is None) == (not bad)


def test_the_list_of_the_record():
    assert parse("smithnet.com,1,mail.bar.org,0") == ([("smithnet.com", DOMAIN), ("mail.bar.org", HOST)], [])
    assert parse("") == parse(",") == parse(" ") == ([], [])
    # The Perl contrib's: upper case, spaces, a last element without a flag, a name twice.
    assert parse("SMITHNET.com,1, mail.bar.org , 0,a.org") == (
        [("smithnet.com", DOMAIN), ("a.org", HOST), ("mail.bar.org", HOST)], [])
    assert parse("a.org,0,a.org,1") == ([("a.org", DOMAIN)], [])
    assert parse("A.ORG,1,a.org,0") == ([("a.org", HOST)], [])
    assert parse("a.org,") == ([("a.org", HOST)], [])


def test_what_is_no_rule_is_left_out_and_reported_and_the_others_stay():
    found, ignored = parse("good.org,1,a b.org,0,co.uk,1,CO.UK,1,co.nz,0,x.org,7,also.good.org,0,,1")
    assert found == [("co.nz", HOST), ("good.org", DOMAIN), ("also.good.org", HOST)]
    assert sorted((name, flag) for name, flag, _ in ignored) == [
        ("", "1"), ("CO.UK", "1"), ("a b.org", "0"), ("x.org", "7")]
    assert all(reason for _, _, reason in ignored)


def test_the_order_is_by_labels_from_the_right():
    names = ["zone0.org", "b-c.org", "x.b.org", "b.org", "a.com", "bar.co.uk", "a.b.org"]
    assert list(rules.RuleSet((name, HOST) for name in names).kinds) == [
        "a.com", "b.org", "a.b.org", "x.b.org", "b-c.org", "zone0.org", "bar.co.uk"]


@given(st.dictionaries(NAME.filter(lambda n: not rules.faulty([n])), st.sampled_from([HOST, DOMAIN])))
@settings(deadline=None)
def test_the_list_holds_what_was_put_in(kinds):
    rule_set = rules.RuleSet(kinds)
    assert rules.parse_list(rules.format_list(rule_set), lambda names: []) == (rule_set, [])


@pytest.mark.parametrize("name, answer", [
    ("com", True), ("co.uk", True), ("smithnet.com", False), ("smithnet.co.uk", False),
    ("ck", True), ("anything.ck", True), ("www.ck", False), ("a.anything.ck", False),
    ("kawasaki.jp", True), ("x.kawasaki.jp", True), ("city.kawasaki.jp", False), ("a.x.kawasaki.jp", False),
    ("github.io", True), ("smith.github.io", False),
    ("xn--55qx5d.cn", True), ("xn--strae-oqa.de", False), ("xn--zzzzzzzz999.de", False),
])
@pytest.mark.parametrize("beside", [0, 50])
def test_public_suffixes(name, answer, beside):
    others = [f"a{i}.smithnet.com" for i in range(beside)]
    assert publicsuffix.among(others + [name]) == ([name] if answer else [])


def test_a_host_rule_may_be_a_public_suffix_and_a_domain_rule_may_not():
    found, errors = rules.parse_pairs(
        [("co.uk", HOST), ("CO.NZ", DOMAIN), ("a.org", DOMAIN), ("b c", HOST)], publicsuffix.among)
    assert found == [Rule("co.uk", HOST), Rule("a.org", DOMAIN)]
    assert sorted(error.name for error in errors) == ["b c", "co.nz"]


@pytest.mark.parametrize("content", [None, b"", b"// ICANN DOMAINS\n\nac\ncom.ac\n", b"\xff" * 5000])
def test_without_a_sound_list_a_short_one_serves_with_a_warning(monkeypatch, tmp_path, content):
    if content is not None:
        (tmp_path / "list").write_bytes(content)
    monkeypatch.setattr(publicsuffix, "LIST", str(tmp_path / "list"))
    monkeypatch.setattr(publicsuffix, "_text", None)
    monkeypatch.setattr(publicsuffix, "_source", None)
    assert publicsuffix.among(["co.uk", "smithnet.com", "any.ck", "www.ck"]) == ["co.uk", "any.ck"]
    assert "publicsuffix" in publicsuffix.warning()


def test_without_the_idna_package_a_name_that_is_not_ascii_is_refused_with_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "idna", None)
    monkeypatch.setitem(sys.modules, "esmith.distribution", type(sys)("esmith.distribution"))
    import esmith
    fake = type(sys)("distribution")
    fake.use = lambda: None
    monkeypatch.setattr(esmith, "distribution", fake, raising=False)
    with pytest.raises(RuleError, match="python3-idna"):
        rules.parse_name("straße.de")


def test_every_rule_of_the_distributions_list_is_known():
    listed, children = set(), set()
    with open(publicsuffix.source(), encoding="utf-8") as lines:
        text = [line.strip() for line in lines if line.strip() and not line.startswith("//")]
    for rule in text:
        if not rule.startswith("!"):
            name = rule.replace("*.", "any.").encode("idna").decode()
            listed.add(name)
            children.add("some-name." + name)
    assert len(listed) > 8000
    assert set(publicsuffix.among(sorted(listed))) == listed
    exceptions = {rule[1:] for rule in text if rule.startswith("!")}
    wild = {rule[2:] for rule in text if rule.startswith("*.")}
    assert set(publicsuffix.among(sorted(children | exceptions))) == {
        name for name in children if name.partition(".")[2] in wild}
    # One by one it is another way, through the text of the list.
    for name in sorted(listed)[::97]:
        assert publicsuffix.among([name, "a.b." + name]) == [name]
