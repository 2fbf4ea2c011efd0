"""The tar of static fragments for servers that are too old for Python: unpacked by the real tar, expanded
by Perl."""

import os
import subprocess
import tarfile

import pytest
from sandbox import CHECKOUT, Sandbox
from twoengines import perl

CUSTOM = "/etc/e-smith/templates-custom"
CHECK_RULES = "/var/spool/smtpd/etc/smtpd_check_rules"
RCPTHOSTS = "/var/qmail/control/rcpthosts"
SMTPROUTES = "/var/qmail/control/smtproutes"
GOODRCPTTO = "/var/service/qpsmtpd/config/goodrcptto"
RULES = (
    "name,kind\nsmithnet.com,DOMAIN\nmail.bar.org,HOST\n"
    + "a" * 63
    + ".org,DOMAIN\nxn--bcher-kva.example.org,HOST\n"
)

# What each old server is sent, and the files that it decides by.
SENT = {
    "sme5": ({"/etc/MXBackupDomains", CUSTOM + CHECK_RULES + "/61MXBackupDomains"}, [CHECK_RULES]),
    "sme55": ({CUSTOM + RCPTHOSTS + "/20QandD", CUSTOM + SMTPROUTES + "/20QandD"}, [RCPTHOSTS, SMTPROUTES]),
    "sme6": ({CUSTOM + RCPTHOSTS + "/20QandD", CUSTOM + SMTPROUTES + "/20QandD"}, [RCPTHOSTS, SMTPROUTES]),
    "sme7": (
        {CUSTOM + path + "/20QandD" for path in (RCPTHOSTS, SMTPROUTES, GOODRCPTTO)},
        [RCPTHOSTS, SMTPROUTES, GOODRCPTTO],
    ),
}


def make_host(sandbox):
    """A host with our packages, every mail file of the how-to, and a smart host."""
    sandbox.plant()
    subprocess.run([CHECKOUT / "createlinks", "--root", sandbox.path], check=True)
    for path in CHECK_RULES, RCPTHOSTS, GOODRCPTTO:
        (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
    sandbox.write(GOODRCPTTO, "")
    return sandbox


def set_configuration(sandbox):
    sandbox.write(
        "/home/e-smith/db/configuration",
        "DomainName=doecom.net\nSMTPSmartHost=smtp.provider.net\nSystemName=sme\n",
    )


@pytest.fixture
def ours(sandbox):
    host = make_host(sandbox)
    set_configuration(host)
    assert host.run("mxbackup", "import", input=RULES).returncode == 0
    return host


def entries(sandbox, path):
    return [line for line in sandbox.read(path).splitlines() if line and not line.startswith("#")]


def pack(host, server, name="out.tar"):
    done = host.run("mxbackup", "export", "--tar", host / name, "--for", server)
    assert done.returncode == 0, done.stderr
    return host / name, done.stderr


def unpack(tar, root):
    """Run `tar xvfP` as the how-to does, with every absolute name moved below `root`."""
    subprocess.run(
        ["tar", "xvfP", tar, "--transform", f"s,^/,{root}/,"], check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize("server", SENT)
def test_the_old_server_gets_the_entries_and_gives_the_rules_back(ours, tmp_path_factory, server):
    sent, decides_by = SENT[server]
    tar, told = pack(ours, server)
    assert "tar xvfP out.tar" in told
    old = Sandbox(tmp_path_factory.mktemp("old"))
    set_configuration(old)
    unpack(tar, old.path)
    assert {
        "/" + str(path.relative_to(old.path)) for path in old.path.rglob("etc/**/*") if path.is_file()
    } == sent
    for path in sent:
        assert old.read(path).isascii() and not set("{}\\") & set(old.read(path))
    for path in decides_by:
        assert path in told
        (old / path).parent.mkdir(parents=True, exist_ok=True)
        done = perl(old, "expand-template", path)
        assert done.returncode == 0, done.stderr
        assert set(entries(old, path)) <= set(entries(ours, path))
        missing = set(entries(ours, path)) - set(entries(old, path))
        assert missing <= {"sme.doecom.net", ":smtp.provider.net"}
    # Years later the same server gets our packages.
    make_host(old)
    assert old.run("signal-event", "mxbackup-update").returncode == 0
    assert not any((old / path).exists() for path in sent)
    assert sorted(old.run("mxbackup", "list", "--csv").stdout.split()) == sorted(RULES.split())
    for path in decides_by:
        assert entries(old, path) == entries(ours, path)


def test_the_how_tos_own_case(ours):
    ours.run("mxbackup", "import", "--replace", input="smithnet.com,DOMAIN\n")
    with tarfile.open(pack(ours, "sme5")[0]) as tar:
        texts = {member.name: tar.extractfile(member).read().decode() for member in tar}
    assert (
        "\nallow:ALL:ALL:*.smithnet.com *@smithnet.com\n"
        in texts[CUSTOM + CHECK_RULES + "/61MXBackupDomains"]
    )
    assert texts["/etc/MXBackupDomains"].endswith("\nsmithnet.com\n")
    with tarfile.open(pack(ours, "sme55")[0]) as tar:
        text = tar.extractfile(CUSTOM + RCPTHOSTS + "/20QandD").read().decode()
    assert text.endswith("\nsmithnet.com\n.smithnet.com\n")


def test_the_same_rules_give_the_same_bytes_that_belong_to_root(ours):
    first = pack(ours, "sme7", "a.tar")[0].read_bytes()
    assert first == pack(ours, "sme7", "b.tar")[0].read_bytes()
    with tarfile.open(ours / "a.tar") as tar:
        for member in tar:
            assert member.name.startswith("/etc/e-smith/templates-custom/")
            assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "root", "root")
            assert member.isreg() and member.mode == 0o644


def test_static_routes_without_their_rules_stay(ours, tmp_path_factory):
    tar, _ = pack(ours, "sme7")
    old = Sandbox(tmp_path_factory.mktemp("old"))
    set_configuration(old)
    unpack(tar, old.path)
    (old / (CUSTOM + RCPTHOSTS + "/20QandD")).unlink()
    make_host(old)
    done = old.run("mxbackup", "migrate")
    assert done.returncode == 1 and done.stdout.count("left in place") == 2
    assert "smithnet.com: is there without a rule" in done.stdout
    # An administrator's own fragment of that name is nobody's business.
    old.write(CUSTOM + SMTPROUTES + "/20QandD", "friend.org:relay.friend.org\n")
    old.write(CUSTOM + GOODRCPTTO + "/20QandD", "me@doecom.net\n")
    assert old.run("mxbackup", "migrate").stdout == "There is nothing to migrate.\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--tar", "x.tar"),
        ("--for", "sme5"),
        ("--tar", "x.tar", "--for", "sme4"),
        ("--tar", "x", "--for", "sme5", "y"),
        ("--json", "--csv"),
        ("--tar", "x.tar", "--json", "--for", "sme5"),
    ],
)
def test_wrong_use(ours, arguments):
    done = ours.run("mxbackup", "export", *arguments)
    assert done.returncode == 2 and done.stderr and not os.path.exists("x.tar")


def test_nothing_to_export_writes_nothing(ours):
    ours.write("/home/e-smith/db/configuration", "")
    done = ours.run("mxbackup", "export", "--tar", ours / "x.tar", "--for", "sme5")
    assert done.returncode == 1 and "no rule" in done.stderr and not (ours / "x.tar").exists()


@pytest.mark.parametrize("place", ["missing/x.tar", ".", "/dev/full"])
def test_a_tar_that_cannot_be_written(ours, tmp_path, place):
    done = ours.run("mxbackup", "export", "--tar", tmp_path / place, "--for", "sme5")
    assert done.returncode == 1 and "mxbackup: " in done.stderr and "Traceback" not in done.stderr
