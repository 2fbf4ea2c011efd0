"""Names that the host delivers itself: never a rule, never lost from what is accepted, and who says so is told."""

import json
import subprocess

import pytest
from sandbox import CHECKOUT

CONFIGURATION = "/home/e-smith/db/configuration"
CONTROL = "/var/qmail/control/"
RCPTHOSTS = CONTROL + "rcpthosts"
HEAD = "DomainName=doecom.net\nSystemName=sme\n"


@pytest.fixture
def live(host):
    """A host with qmail and the event's links."""
    subprocess.run([CHECKOUT / "createlinks", "--root", host.path], check=True)
    host.record = lambda: host.run("db", "configuration", "getprop", "mxbackup", "name").stdout.strip()
    host.listed = lambda: [line for line in host.read(RCPTHOSTS).splitlines() if line[:1] not in ("#", "")]
    return host


def cdb(host, path, keys):
    """Write a cdb with these keys (bytes) to `path`, as tinycdb makes it."""
    text = b"".join(b"+%d,1:%s->x\n" % (len(key), key) for key in keys) + b"\n"
    (host / path).parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cdb", "-c", host / path], input=text, check=True)


# Where it is said, what, the rule, and who is named.
SAYERS = [
    (None, None, "sme.doecom.net", "SystemName and DomainName"),
    ("/home/e-smith/db/domains", "Own.Example=domain|Nameservers|internet\n", "own.example", "the database domains"),
    ("/home/e-smith/db/domains", "d.example=domain|MailServer|10.0.0.5\n", "d.example", "the database domains"),
    (CONTROL + "me", "Mail.Example.Org  \n", "mail.example.org", CONTROL + "me"),
    (CONTROL + "locals", "# mine\n\nLocal.Example\t\n", "local.example", CONTROL + "locals"),
    (CONTROL + "locals", "a.example\nlocal.example", "local.example", CONTROL + "locals"),
    (CONTROL + "virtualdomains", "virtual.example:virtual.example\n", "virtual.example", CONTROL + "virtualdomains"),
    (CONTROL + "virtualdomains", ".fax.example:alias-fax\n", "a.b.fax.example", CONTROL + "virtualdomains"),
    (CONTROL + "virtualdomains", ":alias-all\n", "any.example", CONTROL + "virtualdomains"),
    ("/var/qmail/users/assign", "+v.example-:v.example:89:89:/home/vpopmail/domains/v.example:-::\n.\n",
     "v.example", "/var/qmail/users/assign"),
    ("/var/service/qpsmtpd/config/me", "front.example\n", "front.example", "/var/service/qpsmtpd/config/me"),
]


@pytest.mark.parametrize("path, text, name, who", SAYERS)
@pytest.mark.parametrize("kind", ["--host", "--domain"])
def test_a_rule_for_such_a_name_is_refused_and_who_says_so_is_told(live, path, text, name, who, kind):
    if path:
        live.write(path, text)
    for options in (), ("--dry-run",), ("--no-update",):
        done = live.run("mxbackup", "add", name.upper(), "friend.org", kind, *options)
        assert done.returncode == 2, done.stdout
        assert "this host delivers its mail itself" in done.stderr and who in done.stderr
        assert "nothing was changed" in done.stderr and "Traceback" not in done.stderr
    assert live.record() == ""


def test_the_compiled_users_of_vpopmail_count(live):
    cdb(live, "/var/qmail/users/cdb", [b"", b"!v.example-", b"!joe\0", b"!list-"])
    assert "/var/qmail/users/cdb" in live.run("mxbackup", "add", "v.example").stderr
    assert live.run("mxbackup", "add", "joe.example").returncode == 0


def test_names_beside_them_may_be_rules(live):
    live.write(CONTROL + "locals", "own.example\n")
    live.write(CONTROL + "virtualdomains",
               ".fax.example:alias-fax\nnot.fax.example:\njoe@friend.org:joe\n:alias-all\nfree.org:\n.free.org:\nfriend.org:\n")
    for name in "not.fax.example", "friend.org", "free.org", "below.free.org":
        assert live.run("mxbackup", "add", name).returncode == 0, name
    assert live.run("mxbackup", "add", "fax.example").returncode == 2, "the last line is for all others"


def test_me_is_its_first_line(live):
    live.write(CONTROL + "me", "first.example\nsecond.example\n")
    assert live.run("mxbackup", "add", "second.example").returncode == 0
    assert live.run("mxbackup", "add", "first.example").returncode == 2


def test_a_list_names_file_and_line(live, tmp_path):
    live.write(CONTROL + "locals", "own.example\nown2.example\n")
    place = tmp_path / "list"
    place.write_text("friend.org\nown.example DOMAIN\n# x\nown2.example\n")
    for command in ("add", "--from-file"), ("import",):
        done = live.run("mxbackup", *command, place)
        assert done.returncode == 2
        assert f"{place} line 2: own.example: this host delivers its mail itself, by {CONTROL}locals" in done.stderr
        assert f"{place} line 4: own2.example: " in done.stderr
        assert "2 of 3 refused; nothing was changed" in done.stderr
    assert live.record() == ""


@pytest.fixture
def standing(live):
    """The same host, where a rule became the host's own afterwards."""
    live.write(CONFIGURATION, HEAD + "SMTPSmartHost=smtp.example.net\n")
    assert live.run("mxbackup", "add", "own.example", "friend.org", "--domain").returncode == 0
    live.write(CONTROL + "virtualdomains", "own.example:own.example\n")
    return live


def test_where_one_stands_it_is_told_and_stays_out_of_the_files(standing):
    assert standing.run("mxbackup", "status").returncode == 1
    done = standing.run("signal-event", "mxbackup-update")
    assert done.returncode == 0, done.stderr
    # It was accepted, and the server delivers it: so it stays accepted, and no longer for the rule's sake.
    assert [line for line in standing.listed() if "own" in line] == ["own.example"]
    assert "own.example" not in standing.read(CONTROL + "smtproutes")
    assert "friend.org" in standing.read(RCPTHOSTS) and "friend.org" in standing.read(CONTROL + "smtproutes")
    done = standing.run("mxbackup", "status")
    assert done.returncode == 1
    assert f"  own.example,1: this host delivers its mail itself, by {CONTROL}virtualdomains" in done.stdout
    assert json.loads(standing.run("mxbackup", "status", "--json").stdout)["ignored"] == [
        {"name": "own.example", "flag": "1",
         "reason": f"this host delivers its mail itself, by {CONTROL}virtualdomains"}]
    assert "1 entry of the record is ignored" in standing.run("mxbackup", "list").stderr
    checked = standing.run("mxbackup", "check", "--only", "files")
    assert checked.returncode == 1 and "this host delivers mail for own.example itself" in checked.stdout
    # An addition beside it goes on working, and the removal ends it.
    assert standing.run("mxbackup", "add", "b.org").returncode == 0
    assert standing.run("mxbackup", "add", "own.example", "--host").returncode == 2
    assert standing.run("mxbackup", "remove", "own.example").returncode == 0
    assert standing.run("mxbackup", "status").returncode == 0
    assert [line for line in standing.listed() if "own" in line] == ["own.example"]


def test_what_a_hosting_tool_adds_stays_accepted_and_goes_with_it(standing):
    """vpopmail and panels add a line to rcpthosts and virtualdomains, and write both whole and sorted."""
    standing.run("signal-event", "mxbackup-update")

    def sort(path, *more, less=()):
        lines = [line for line in (standing / path).read_text().splitlines() if line not in less]
        standing.write(path, "".join(f"{line}\n" for line in sorted({*lines, *more})))

    for path in RCPTHOSTS, CONTROL + "virtualdomains":
        sort(path, *(["hosted.example"] if path == RCPTHOSTS else ["hosted.example:hosted.example"]))
    for change in ("add", "b.org"), ("remove", "b.org"), ("disable",), ("enable",), ("remove", "friend.org"):
        done = standing.run("mxbackup", *change)
        assert done.returncode == 0, done.stderr
        assert "hosted.example" in standing.listed(), change
        sort(RCPTHOSTS)
    sort(CONTROL + "virtualdomains", less=["hosted.example:hosted.example"])
    sort(RCPTHOSTS, less=["hosted.example"])
    assert standing.run("mxbackup", "add", "c.org").returncode == 0
    assert "hosted.example" not in standing.listed()


def test_a_virtual_domain_that_is_not_accepted_is_not_opened(live):
    """Virtual domains also send mail on by other ways: to accept mail for them is the administrator's to say."""
    live.write(CONTROL + "virtualdomains", "aol.com:alias-aol\n")
    assert live.run("mxbackup", "add", "friend.org").returncode == 0
    assert "aol.com" not in live.listed()


def test_own_names_that_cannot_be_read_stop_the_change_and_the_files(live):
    live.run("mxbackup", "add", "friend.org")
    before = live.read(RCPTHOSTS)
    (live / CONTROL / "locals").mkdir()
    done = live.run("mxbackup", "add", "b.org")
    assert done.returncode == 1 and CONTROL + "locals" in done.stderr and "Traceback" not in done.stderr
    assert "b.org" not in live.record() and live.read(RCPTHOSTS) == before
    assert live.run("signal-event", "mxbackup-update").returncode == 1
    assert live.read(RCPTHOSTS) == before


def test_a_migrated_list_leaves_the_hosts_own_out_and_says_so(live):
    live.write(CONTROL + "locals", "own.example\n")
    live.write("/etc/e-smith/templates-custom" + RCPTHOSTS + "/20QandD", "own.example\nfriend.org\n")
    done = live.run("mxbackup", "migrate")
    assert done.returncode == 0, done.stderr
    assert "own.example: this host delivers its mail itself" in done.stdout
    assert live.record() == "friend.org,0"
    assert "own.example" in live.listed()
