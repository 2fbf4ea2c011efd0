"""The record mxbackup: what it says, and changes to it."""

import os
import subprocess
import sys

import pytest
from sandbox import ROOT, Syslog

sys.path.insert(0, str(ROOT / "usr/lib/mxbackup"))

from esmith.database import Database  # noqa: E402
from mxbackup.mailfiles import wanted  # noqa: E402
from mxbackup.rules import record  # noqa: E402
from mxbackup.rules.rule import DOMAIN, HOST, Rule, RuleError  # noqa: E402

CONFIGURATION = "/home/e-smith/db/configuration"


@pytest.fixture
def db(sandbox, monkeypatch):
    """Function of the configuration's text: makes it the one that record's functions work on."""
    monkeypatch.setenv("ESMITH_ROOT", str(sandbox.path))

    def write(text):
        sandbox.write(CONFIGURATION, text)

    write.line = lambda: next(line for line in sandbox.read(CONFIGURATION).splitlines() if line[:1] != "#")
    return write


def rules():
    return [tuple(rule) for rule in record.load().rules]


def test_what_the_record_says(db):
    db("SMTPSmartHost=smtp.provider.net\nmxbackup=service|name|smithnet.com,1,co.uk,1|status|enabled\n")
    found = record.load()
    assert found.enabled
    assert list(found.rules) == [Rule("smithnet.com", DOMAIN)] and len(found.rules) == 1
    assert [entry.name for entry in found.ignored] == ["co.uk"]
    assert found.warnings == []


@pytest.mark.parametrize("text, enabled", [
    ("", False), ("mxbackup=service\n", False), ("mxbackup=service|status|enabled\n", True),
    ("mxbackup=service|status|disabled\n", False), ("mxbackup=service|status|Enabled\n", False),
    ("mxbackup=service|name|a.org,1|status\n", False),
])
def test_only_the_status_enabled_counts(db, text, enabled):
    db(text)
    assert record.load().enabled is enabled


@pytest.mark.parametrize("value, smart_host", [
    ("", ""), ("off", ""), ("smtp.provider.net", "smtp.provider.net"), ("smtp.provider.net:587",) * 2,
])
def test_the_smart_host(db, value, smart_host):
    db(f"SMTPSmartHost={value}\n")
    assert wanted.host_smart_host(record.open_configuration(readonly=True)) == smart_host


def test_rules_are_added_changed_and_removed(db):
    db("")
    change = record.add([("SmithNet.com.", DOMAIN), Rule("mail.bar.org")])
    assert change.added == [("smithnet.com", DOMAIN), ("mail.bar.org", HOST)] and change
    assert db.line() == "mxbackup=service|name|smithnet.com,1,mail.bar.org,0|status|enabled"
    change = record.add([("mail.bar.org", DOMAIN), ("smithnet.com", DOMAIN)])
    assert change.changed == [("mail.bar.org", DOMAIN)] and change.unchanged == [("smithnet.com", DOMAIN)]
    assert rules() == [("smithnet.com", DOMAIN), ("mail.bar.org", DOMAIN)]
    change = record.remove(["SMITHNET.com", "not.there.org", "no name"])
    assert change.removed == [("smithnet.com", DOMAIN)] and change.missing == ["not.there.org", "no name"]
    assert rules() == [("mail.bar.org", DOMAIN)]
    assert not record.remove(["smithnet.com"]) and not record.add([("mail.bar.org", DOMAIN)])


def test_a_refused_rule_refuses_all_and_nothing_is_changed(db):
    db("mxbackup=service|name|a.org,0|status|enabled\n")
    for refused in (("co.uk", DOMAIN), ("a b", HOST)):
        with pytest.raises(RuleError):
            record.add([("b.org", HOST), refused])
    assert db.line() == "mxbackup=service|name|a.org,0|status|enabled"
    assert [error.name for error in record.check([("co.uk", DOMAIN), ("b.org", HOST)])[1]] == ["co.uk"]


def test_an_entry_that_is_no_rule_stays_in_the_list_until_it_is_removed_by_name(db):
    db("mxbackup=service|name|a.org,0,co.uk,1,x y,0,bad\\,0|status|enabled\n")
    record.add([("b.org", HOST)])
    assert sorted(entry.name for entry in record.load().ignored) == ["bad\\", "co.uk", "x y"]
    assert rules() == [("a.org", HOST), ("b.org", HOST)]
    change = record.remove(["x y", "co.uk"])
    assert change.removed == [("x y", HOST), ("co.uk", DOMAIN)]
    record.remove(["a.org", "b.org"])
    assert [entry.name for entry in record.load().ignored] == ["bad\\"]
    # As a HOST it is a rule, and takes the place of the entry of that name.
    db("mxbackup=service|name|co.uk,1|status|enabled\n")
    assert record.add([("co.uk", HOST)]).added == [("co.uk", HOST)]
    assert db.line() == "mxbackup=service|name|co.uk,0|status|enabled"


def test_the_perl_contribs_record_is_tidied_by_the_first_change(db):
    db("mxbackup=service|name|B.ORG,1, a.org ,0,b.org,0,c.org|status|enabled\n")
    record.add([("d.org", HOST)])
    assert db.line() == "mxbackup=service|name|a.org,0,b.org,0,c.org,0,d.org,0|status|enabled"


def test_other_properties_and_records_stay(db, sandbox):
    db("a=b|c|d\nmxbackup=service|access|public|name|a.org,0|status|disabled\nz={{ 7*7 }}\n")
    record.add([("b.org", HOST)])
    assert [line for line in sandbox.read(CONFIGURATION).splitlines() if line[:1] != "#"] == [
        "a=b|c|d", "mxbackup=service|access|public|name|a.org,0,b.org,0|status|disabled", "z={{ 7*7 }}"]


def test_switching_on_and_off(db):
    db("")
    assert record.disable() and not record.disable()
    assert db.line() == "mxbackup=service|name||status|disabled"
    assert record.enable() and not record.enable()
    assert record.load().enabled
    db("mxbackup=service\n")
    assert record.disable() and not record.load().enabled


def test_the_first_rule_switches_a_record_without_status_on_and_no_other(db):
    db("mxbackup=service\n")
    record.add([("a.org", HOST)])
    assert record.load().enabled
    record.disable()
    record.add([("b.org", HOST)])
    assert not record.load().enabled


def test_a_dry_run_changes_nothing(db, sandbox):
    db("mxbackup=service|name|a.org,0|status|enabled\n")
    before = os.stat(sandbox / CONFIGURATION)
    assert record.add([("b.org", HOST)], dry_run=True).added == [("b.org", HOST)]
    assert record.remove(["a.org"], dry_run=True).removed == [("a.org", HOST)]
    assert record.disable(dry_run=True) and not record.enable(dry_run=True)
    assert os.stat(sandbox / CONFIGURATION) == before
    assert os.listdir(sandbox / "/home/e-smith/db") == ["configuration"]


def test_many_rules_are_one_write(db, sandbox):
    db("")
    log = Syslog(sandbox / "/dev/log")
    names = [f"d{number}.example.org" for number in range(500)]
    record.add([(name, DOMAIN) for name in names])
    record.remove(names[:250])
    log.close()
    assert sum(b": NEW mxbackup=" in message for message in log.messages) == 2


def test_a_database_given_is_used(db):
    db("mxbackup=service|name|a.org,0|status|enabled\n")
    database = Database()
    record.add([("b.org", HOST)], db=database)
    assert [rule.name for rule in record.load(database).rules] == ["a.org", "b.org"]


def test_many_rules_and_many_bad_entries_are_removed(db):
    bad = [f"_{number}.org" for number in range(20000)]
    good = [f"d{number}.example.org" for number in range(20000)]
    db("mxbackup=service|name|{}|status|enabled\n".format(",".join(f"{name},1" for name in bad + good)))
    change = record.remove(bad + good)
    assert len(change.removed) == 40000 and not change.missing
    assert db.line() == "mxbackup=service|name||status|enabled"


def test_rules_added_at_once_are_all_there(db, sandbox):
    db("")
    script = "import sys; sys.path.insert(0, sys.argv[1]); from mxbackup.rules import record\n" \
             "for number in range(15): record.add([('d%d.h%s.org' % (number, sys.argv[2]), 'HOST')])"
    adding = [
        subprocess.Popen([sys.executable, "-c", script, str(ROOT / "usr/lib/mxbackup"), str(who)],
                         env=sandbox.environment)
        for who in range(6)
    ]
    assert [process.wait(60) for process in adding] == [0] * 6
    assert len(rules()) == 90
