"""The Debian package: what it holds, and the real apt that installs, upgrades, removes and purges it."""

import shutil
import smtplib
import socket
import subprocess
import sys

import needs
import pytest
from hosts import CONFIGURATION, ENTRIES, RCPTHOSTS, Host, copy_checkout
from packaged import once
from sandbox import CHECKOUT, Syslog
from throwaway_root import ThrowawayRoot

sys.path.append(str(CHECKOUT / "tests/check"))

from world import wait_for  # noqa: E402

LATER = "9.0.0"


def build(folder, checkout=CHECKOUT):
    """Build the package of `checkout`, its uncommitted changes included, into `folder`; returns its path."""
    subprocess.run([str(checkout / "packaging/build-debs"), "--worktree", str(folder)], check=True,
                   stdout=subprocess.DEVNULL)
    package, = folder.glob("mxbackup_*_all.deb")
    return package


@pytest.fixture(scope="session")
def deb(tmp_path_factory):
    """The package of this checkout (pathlib.Path)."""
    needs.require("dpkg", "rpm")
    return next(once(tmp_path_factory, "deb", build).glob("*.deb"))


@pytest.fixture(scope="session")
def later_deb(tmp_path_factory):
    """The package of this checkout as version 9.0.0 would be."""
    needs.require("dpkg", "rpm")

    def make(folder):
        tree = copy_checkout(folder / "tree")
        spec = tree / "smeserver-mxbackup.spec"
        lines = spec.read_text().splitlines(keepends=True)
        spec.write_text("".join(f"Version: {LATER}\n" if line.startswith("Version:") else line for line in lines))
        build(folder, tree)
        shutil.rmtree(tree)
    return next(once(tmp_path_factory, "later-deb", make).glob("*.deb"))


@pytest.fixture
def host(throwaway):
    """A host whose rcpthosts was written by hand, with the machine's own dpkg and apt."""
    with ThrowawayRoot() as root:
        root.syslog = Syslog(root / "dev/log")
        # apt asks no network and no second package manager's hooks; what it depends on is on the machine.
        root.write("/etc/apt/apt.conf.d/99throwaway",
                   'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "-";\n'
                   'APT::Sandbox::User "root";\n')
        try:
            yield Host(root)
        finally:
            root.syslog.close()


def apt(host, *arguments):
    """Run the real apt inside on packages (list of str or pathlib.Path); returns what it said."""
    inside = [host.root.copy(a) if str(a).endswith(".deb") else a for a in arguments]
    done = host.root.run(["apt-get", "-q", "-y", "--no-install-recommends", *inside],
                         environment={"DEBIAN_FRONTEND": "noninteractive"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def assert_served(host):
    """rcpthosts has the host's own and our entries, each once."""
    text = [line for line in host.root.read(RCPTHOSTS).splitlines() if line and not line.startswith("#")]
    assert len(text) == len(set(text))
    assert set(text) == host.own | ENTRIES


def contents(package):
    """What the package holds: {path: (mode and owner)}."""
    listed = subprocess.run(["dpkg-deb", "--contents", str(package)], check=True, capture_output=True, text=True)
    fields = (line.split(None, 5) for line in listed.stdout.splitlines())
    return {f[5].partition(" -> ")[0].lstrip(".").rstrip("/"): (f[0], f[1]) for f in fields}


def test_it_holds_what_both_rpms_hold_with_the_same_modes(deb, built):
    held = contents(deb)
    assert {owner for _, owner in held.values()} == {"root/root"}
    for package in built.utf8, built.engine:
        listed = subprocess.run(["rpm", "-qplv", str(package)], check=True, capture_output=True, text=True).stdout
        for line in listed.splitlines():
            mode, path = line.split(None, 1)[0], line.split(None, 8)[8].partition(" -> ")[0]
            if path.startswith(("/usr/share/doc", "/usr/share/licenses", "/usr/lib/mxbackup/variant")):
                continue
            path = path.replace("/sbin/", "/usr/sbin/") if path.startswith("/sbin/") else path
            assert held[path][0] == mode, path


def test_what_it_depends_on_is_what_the_rpms_require(deb):
    said = subprocess.run(["dpkg-deb", "--field", str(deb), "Depends", "Recommends"], check=True, capture_output=True,
                          text=True).stdout
    spec = (CHECKOUT / "smeserver-mxbackup.spec").read_text()
    run = [need for need in needs.table().values() if need.stage == "run"]
    assert len(run) == 6
    for need in run:
        assert need.apt in said
        assert f"{need.dnf}\n" in spec or f"{need.dnf} >=" in spec


def test_two_builds_are_the_same_bytes(deb, tmp_path):
    build_it = ["sh", "-c", 'umask 077; exec "$0" --worktree "$1"', str(CHECKOUT / "packaging/build-debs"),
                str(tmp_path / "again")]
    subprocess.run(build_it, check=True, stdout=subprocess.DEVNULL,
                   env={"PATH": "/usr/bin:/bin", "TZ": "Asia/Tokyo", "LANG": "fr_FR.UTF-8", "TMPDIR": str(tmp_path)})
    assert (tmp_path / "again" / deb.name).read_bytes() == deb.read_bytes()


@pytest.mark.needs("lintian")
def test_lintian_finds_nothing(deb):
    found = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", str(deb)], capture_output=True,
                           text=True)
    assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr


def test_install_upgrade_remove_and_purge(host, deb, later_deb):
    said = apt(host, "install", deb)
    assert "Installation finished." in said and "did not work" not in said
    assert_served(host)
    assert host.root.run(["dpkg", "--verify", "mxbackup"]).stdout == ""
    assert host.root.run(["sh", "-lc", "config getprop mxbackup status"]).stdout == "enabled\n"
    assert host.root.run(["mxbackup", "add", "later.example"]).returncode == 0
    apt(host, "install", later_deb)
    assert "later.example" in host.lines()
    assert host.root.run(["mxbackup", "remove", "later.example"]).returncode == 0
    assert_served(host)

    said = apt(host, "remove", "mxbackup")
    assert "did not work" not in said
    assert set(host.lines()) == host.own
    assert "mxbackup=service|" in host.root.read(CONFIGURATION)
    # The conffile alone is left, as Debian has it.
    assert host.root.run("find /usr/lib/mxbackup /usr/sbin/mxbackup /etc/e-smith /etc/profile.d/e-smith.sh "
                         "/var/cache/e-smith-python /var/lib/e-smith-python").stdout == "/etc/profile.d/e-smith.sh\n"

    apt(host, "install", later_deb)
    assert_served(host)
    apt(host, "purge", "mxbackup")
    assert set(host.lines()) == host.own
    text = host.root.read(CONFIGURATION)
    assert "mxbackup" not in text and "SystemName=sme" in text
    assert host.root.run("find /var/lib/mxbackup /etc/profile.d/e-smith.sh /etc/e-smith").stdout == ""


def takes(port, recipient):
    """Whether the Postfix on `port` takes mail of a stranger for `recipient`."""
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        client.ehlo("anything.other.org")
        client.mail("admin@anything.other.org")
        return client.rcpt(recipient)[0] == 250


@pytest.mark.needs("postfix")
def test_postfix_takes_the_friend_s_mail_from_the_installation_to_the_removal(host, deb, later_deb):
    root = host.root
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    root.run(f"""
        cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf
        postconf -e myhostname=sme.doecom.net mydestination=sme.doecom.net mynetworks= inet_interfaces=127.0.0.1
        postconf -M -X smtp/inet
        postconf -M -e "127.0.0.1:{port}/inet=127.0.0.1:{port} inet n - n - - smtpd"
        newaliases; postfix start""", check=True)
    before = root.run(["postconf", "-n"]).stdout
    wait_for(lambda: not takes(port, "john@smithnet.com"))
    for package in deb, later_deb:
        said = apt(host, "install", package)
        assert "did not work" not in said
        wait_for(lambda: takes(port, "john@smithnet.com"))
        assert takes(port, "x@deep.smithnet.com") and takes(port, "x@mail.bar.org")
        assert not takes(port, "x@sub.mail.bar.org") and not takes(port, "tomy@hotmail.com")
        assert root.run(["postfix", "check"]).returncode == 0
    apt(host, "remove", "mxbackup")
    wait_for(lambda: not takes(port, "john@smithnet.com"))
    assert root.run(["postconf", "-n"]).stdout == before
    assert not root.exists("/etc/postfix/mxbackup")
    apt(host, "purge", "mxbackup")
    assert root.run(["postconf", "-n"]).stdout == before
