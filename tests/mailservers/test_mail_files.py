"""What each mail server's file gets, where it is written at all, and that the servers read it so."""

import json
import sys

import mailfront
import perlhost
import pytest
from sandbox import CHECKOUT, DATA
from smtp import rcpt_answers
from twoengines import perl

sys.path.append(str(CHECKOUT / "tests/check"))

from qpsmtpd import qpsmtpd  # noqa: E402

QMAIL = "/var/qmail/control/"
QPSMTPD = "/var/service/qpsmtpd/config/"
SMTPD = "/var/spool/smtpd/etc/smtpd_check_rules"
CONFIGURATION = "/home/e-smith/db/configuration"
STATES = json.loads((DATA / "conformance/rules.json").read_text())


def entries(sandbox, path):
    """The lines of an output, comments and blank lines aside."""
    return [line for line in sandbox.read(path).splitlines() if line and not line.startswith("#")]


def configure(sandbox, name, status="enabled", more=""):
    sandbox.write(CONFIGURATION, f"{more}mxbackup=service|name|{name}|status|{status}\n")


@pytest.fixture
def sme(sandbox):
    """A throwaway `/` with our files and every mail front end of the how-to."""
    sandbox.plant()
    for path in (QMAIL + "rcpthosts", QPSMTPD + "goodrcptto", SMTPD):
        sandbox.write(path, "")
    return sandbox


def update(sandbox, **environment):
    ran = sandbox.run("signal-event", "mxbackup-update", **environment)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("state", STATES, ids=lambda state: state["configuration"][:40])
def test_the_files_hold_what_the_perl_contrib_wrote_entry_for_entry(sme, state):
    sme.write(CONFIGURATION, state["configuration"].encode("latin-1"))
    for path, wanted in state["entries"].items():
        assert sme.run("expand-template", path).returncode == 0
        if path == QMAIL + "smtproutes":
            # The core fragment's default route is not of the contrib.
            assert [line for line in entries(sme, path) if line != ":smtp.provider.net"] == wanted
        else:
            assert entries(sme, path) == wanted


def test_the_how_tos_own_case_in_each_front_ends_file(sme):
    configure(sme, "smithnet.com,1", more="SMTPSmartHost=smtp.provider.net\n")
    update(sme)
    assert entries(sme, SMTPD) == ["allow:ALL:ALL:*.smithnet.com *@smithnet.com"]
    assert entries(sme, QMAIL + "rcpthosts") == ["smithnet.com", ".smithnet.com"]
    assert entries(sme, QMAIL + "smtproutes") == [":smtp.provider.net", "smithnet.com:", ".smithnet.com:"]
    assert entries(sme, QPSMTPD + "goodrcptto") == ["@smithnet.com"]


def test_a_host_rule_in_each_front_ends_file(sme):
    configure(sme, "mail.bar.org,0", more="SMTPSmartHost=smtp.provider.net\n")
    update(sme)
    assert entries(sme, SMTPD) == ["allow:ALL:ALL:*@mail.bar.org"]
    assert entries(sme, QMAIL + "rcpthosts") == ["mail.bar.org"]
    assert entries(sme, QMAIL + "smtproutes")[1:] == ["mail.bar.org:"]
    assert entries(sme, QPSMTPD + "goodrcptto") == ["@mail.bar.org"]


def test_each_file_says_in_one_line_where_the_entries_come_from_and_nothing_where_there_are_none(sme):
    for name, status, comments in (("smithnet.com,1", "enabled", 1), ("smithnet.com,1", "disabled", 0),
                                   ("smithnet.com,1", "", 0), ("", "enabled", 0), ("co.uk,1", "enabled", 0)):
        configure(sme, name, status)
        update(sme)
        for path in (SMTPD, QMAIL + "rcpthosts", QPSMTPD + "goodrcptto"):
            assert sum("MX Backup" in line for line in sme.read(path).splitlines()) == comments
            assert bool(entries(sme, path)) == bool(comments)
        assert "MX Backup" not in sme.read(QMAIL + "smtproutes")


def test_withheld_rules_are_in_no_file_and_stay_in_the_database(sme):
    configure(sme, "smithnet.com,1", more="SMTPSmartHost=smtp.provider.net\n")
    update(sme)
    update(sme, MXBACKUP_WITHHOLD="1")
    for path in (SMTPD, QMAIL + "rcpthosts", QMAIL + "smtproutes", QPSMTPD + "goodrcptto"):
        assert "smithnet" not in sme.read(path)
    assert "smithnet.com,1" in sme.read(CONFIGURATION)


def test_no_line_is_longer_than_smtpd_can_take(sme):
    longest = ".".join(["a" * 61] * 4) + ".org"
    configure(sme, f"{longest},1")
    assert len(longest) == 251
    update(sme)
    assert max(len(line) for line in sme.read(SMTPD).splitlines()) < 1022
    assert entries(sme, SMTPD) == [f"allow:ALL:ALL:*.{longest} *@{longest}"]


def written(sandbox):
    return {
        path for path in (SMTPD, *(QMAIL + n for n in ("rcpthosts", "smtproutes")),
                          *(QPSMTPD + n for n in ("rcpthosts", "smtproutes", "goodrcptto")))
        if (sandbox / path).is_file() and "smithnet.com" in sandbox.read(path)
    }


@pytest.mark.parametrize("folders, files, wanted", [
    # SME 5: obtuse smtpd alone
    ([SMTPD.rpartition("/")[0]], [], {SMTPD}),
    # SME 6, any qmail: nothing of qpsmtpd
    ([QMAIL], [], {QMAIL + "rcpthosts", QMAIL + "smtproutes"}),
    # SME 7 to 10: config/rcpthosts must not come into being, it would hide qmail's
    ([QMAIL, QPSMTPD], [QPSMTPD + "goodrcptto"],
     {QMAIL + "rcpthosts", QMAIL + "smtproutes", QPSMTPD + "goodrcptto"}),
    # qpsmtpd without goodrcptto: it would refuse everybody else
    ([QMAIL, QPSMTPD], [], {QMAIL + "rcpthosts", QMAIL + "smtproutes"}),
    # SME 11: everything in qpsmtpd's folder
    ([QPSMTPD], [QPSMTPD + "rcpthosts", QPSMTPD + "smtproutes", QPSMTPD + "goodrcptto"],
     {QPSMTPD + "rcpthosts", QPSMTPD + "smtproutes", QPSMTPD + "goodrcptto"}),
    ([], [], set()),
])
def test_a_file_is_written_only_where_its_server_is(sandbox, folders, files, wanted):
    sandbox.plant()
    configure(sandbox, "smithnet.com,1", more="SMTPSmartHost=smtp.provider.net\n")
    for folder in folders:
        (sandbox / folder).mkdir(parents=True, exist_ok=True)
    for path in files:
        sandbox.write(path, "")
    update(sandbox)
    assert written(sandbox) == wanted
    update(sandbox, MXBACKUP_WITHHOLD="1")
    assert written(sandbox) == set()


@pytest.mark.parametrize("smart_host, routes", [
    ("postfix=service|SMTPSmartHost|smtp.provider.net|SMTPSmartHostStatus|enabled|status|enabled\n",
     ["smithnet.com:", ".smithnet.com:"]),
    ("postfix=service|SMTPSmartHost|smtp.provider.net|SMTPSmartHostStatus|disabled|status|enabled\n", []),
    # What was left there by an SME 10 does not count any more.
    ("SMTPSmartHost=smtp.provider.net\npostfix=service|SMTPSmartHost||SMTPSmartHostStatus|disabled\n", []),
    ("SMTPSmartHost=smtp.provider.net\npostfix=service|status|disabled\n", ["smithnet.com:", ".smithnet.com:"]),
])
def test_on_an_sme_11_each_of_three_servers_gets_its_lists_by_the_smart_host_of_postfix(sandbox, smart_host, routes):
    sandbox.plant()
    perlhost.make(sandbox)
    configure(sandbox, "smithnet.com,1", more=smart_host)
    for program in ("qpsmtpd", "sqpsmtpd", "uqpsmtpd"):
        for name in ("rcpthosts", "smtproutes"):
            path = f"/var/service/{program}/config/{name}"
            sandbox.write(path, "")
            sandbox.write(f"/etc/e-smith/templates{path}/10standard", "core.example\n")
    assert perl(sandbox, "signal-event", "mxbackup-update").returncode == 0
    for program in ("qpsmtpd", "sqpsmtpd", "uqpsmtpd"):
        config = f"/var/service/{program}/config/"
        assert entries(sandbox, config + "rcpthosts") == ["core.example", "smithnet.com", ".smithnet.com"]
        assert entries(sandbox, config + "smtproutes") == ["core.example", *routes]


def test_a_link_to_qmails_file_is_left_alone(sandbox):
    sandbox.plant()
    configure(sandbox, "smithnet.com,1")
    sandbox.write(QMAIL + "rcpthosts", "doecom.net\n")
    (sandbox / QPSMTPD).mkdir(parents=True)
    (sandbox / (QPSMTPD + "rcpthosts")).symlink_to(sandbox / (QMAIL + "rcpthosts"))
    update(sandbox)
    assert (sandbox / (QPSMTPD + "rcpthosts")).is_symlink()
    assert entries(sandbox, QMAIL + "rcpthosts") == ["smithnet.com", ".smithnet.com", "doecom.net"]


def test_mailfront_reads_comments_and_entries_as_meant(host):
    host.write(CONFIGURATION, "DomainName=doecom.net\nSystemName=sme\n"
               "mxbackup=service|name|smithnet.com,1,mail.bar.org,0|status|enabled\n")
    update(host)
    assert host.read(QMAIL + "rcpthosts").count("#") > 1
    with mailfront.start(host / "/var/qmail/control", remote="192.0.2.7") as server:
        answers = rcpt_answers(server.address, [
            "john.smith@smithnet.com", "x@deep.sub.smithnet.com", "X@SMITHNET.COM", "a@mail.bar.org",
            "a@sme.doecom.net", "x@sub.mail.bar.org", "tomy@hotmail.com", "x@notsmithnet.com", "a@bar.org",
            "x@comment", "x@#",
        ])
    assert [answer // 100 for answer in answers] == [2] * 5 + [5] * 6


def test_qpsmtpd_reads_comments_and_entries_as_meant(sandbox):
    sandbox.plant()
    own = sandbox.write(QPSMTPD + "rcpthosts", "# by hand\ndoecom.net\n")
    configure(sandbox, "smithnet.com,1,mail.bar.org,0")
    update(sandbox)
    with qpsmtpd(own) as (address, _):
        answers = rcpt_answers(address, [
            "john.smith@smithnet.com", "x@deep.sub.smithnet.com", "X@SMITHNET.COM", "a@mail.bar.org",
            "a@doecom.net", "x@sub.mail.bar.org", "tomy@hotmail.com", "x@notsmithnet.com", "a@bar.org"])
    assert [answer // 100 for answer in answers] == [2] * 5 + [5] * 4
