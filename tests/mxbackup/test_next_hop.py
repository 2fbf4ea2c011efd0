"""A next hop for a rule, and what else it can have: given with `mxbackup add`, kept beside the record."""

import json

import pytest

from mxbackup.mailservers import qmail

SMTPROUTES = "/var/qmail/control/smtproutes"
RULE = ("add", "smithnet.com", "--domain")


def routes(host):
    return [line for line in host.read(SMTPROUTES).splitlines() if line[:1] not in ("#", "")]


def extras(host):
    return host.run("db", "mxbackup", "get", "smithnet.com").stdout.strip()


def test_a_next_hop_is_a_route_with_and_without_a_smart_host(host):
    words = ("--next-hop", "[10.0.0.5]:2525", "--contact", "john@bar.org", "--note", "until May")
    done = host.run("mxbackup", *RULE, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert extras(host) == "rule|Contact|john@bar.org|NextHop|[10.0.0.5]:2525|Note|until May"
    assert routes(host) == ["smithnet.com:[10.0.0.5]:2525", ".smithnet.com:[10.0.0.5]:2525"]
    host.run("mxbackup", "add", "mail.bar.org")
    assert routes(host) == ["mail.bar.org:", "smithnet.com:[10.0.0.5]:2525", ".smithnet.com:[10.0.0.5]:2525"]
    host.run("config", "set", "SMTPSmartHost", "smtp.provider.net")
    host.run("signal-event", "mxbackup-update")
    assert routes(host) == [
        ":smtp.provider.net", "mail.bar.org:", "smithnet.com:[10.0.0.5]:2525", ".smithnet.com:[10.0.0.5]:2525"]


def test_a_list_in_json_has_all_that_a_rule_has(host):
    host.run("mxbackup", *RULE, "--next-hop", "[10.0.0.5]:2525", "--contact", "john@bar.org", "--note", "until May")
    host.run("mxbackup", "add", "mail.bar.org")
    told = json.loads(host.run("mxbackup", "list", "--json").stdout)["rules"]
    assert sorted(told, key=lambda rule: rule["name"]) == [
        {"name": "mail.bar.org", "kind": "HOST"},
        {"name": "smithnet.com", "kind": "DOMAIN", "next_hop": "[10.0.0.5]:2525", "contact": "john@bar.org",
         "note": "until May"}]


def test_a_host_below_a_domain_with_a_next_hop_keeps_its_own_way(host, monkeypatch):
    """Its line is the better match for qmail-remote, which would else take that of the DOMAIN."""
    host.run("mxbackup", *RULE, "--next-hop", "[10.0.0.5]")
    host.run("mxbackup", "add", "mail.smithnet.com")
    monkeypatch.setenv("ESMITH_ROOT", str(host.path))
    ways = {name: qmail.SERVER.route(name)[0] for name in ("smithnet.com", "mail.smithnet.com", "x.smithnet.com")}
    assert ways == {"smithnet.com": "[10.0.0.5]", "mail.smithnet.com": "", "x.smithnet.com": "[10.0.0.5]"}


def test_one_word_changes_and_the_others_stay_and_an_empty_one_takes_it_away(host):
    host.run("mxbackup", *RULE, "--next-hop", "mail.smithnet.com", "--note", "a friend")
    done = host.run("mxbackup", "add", "smithnet.com", "--next-hop", "", "--json")
    assert (done.returncode, json.loads(done.stdout)["described"]) == (0, ["smithnet.com"])
    assert extras(host) == "rule|Note|a friend" and routes(host) == []
    again = host.run("mxbackup", "add", "smithnet.com", "--note", "a friend", "--json")
    assert (again.returncode, json.loads(again.stdout)["changed"]) == (0, False)
    host.run("mxbackup", "remove", "smithnet.com")
    assert extras(host) == ""


@pytest.mark.parametrize("option, value", [
    ("--next-hop", "10.0.0.5:99999"), ("--next-hop", "a b"), ("--next-hop", "x|y.org"),
    ("--next-hop", "mail.a.org\nb:"),
    ("--contact", "john"), ("--contact", "a@b@c.org"), ("--note", "a|b"), ("--note", "a\nb"),
])
def test_what_cannot_be_kept_is_refused_and_nothing_is_changed(host, option, value):
    before = host.read("/home/e-smith/db/configuration")
    done = host.run("mxbackup", *RULE, option, value)
    assert done.returncode == 2 and done.stderr
    assert host.read("/home/e-smith/db/configuration") == before and extras(host) == ""


def test_a_dry_run_writes_nothing(host):
    done = host.run("mxbackup", *RULE, "--next-hop", "mail.smithnet.com:26", "--dry-run")
    assert done.returncode == 0 and "+smithnet.com:mail.smithnet.com:26" in done.stdout.splitlines()
    assert extras(host) == "" and not (host / SMTPROUTES).exists()


def test_a_next_hop_that_is_none_stops_the_expansion_and_says_what_to_type(host):
    host.run("mxbackup", *RULE, "--next-hop", "mail.smithnet.com")
    before = host.read(SMTPROUTES)
    host.run("db", "mxbackup", "setprop", "smithnet.com", "NextHop", "no next hop")
    done = host.run("expand-template", SMTPROUTES)
    assert done.returncode == 1 and "mxbackup add smithnet.com --next-hop" in done.stderr
    assert host.read(SMTPROUTES) == before
