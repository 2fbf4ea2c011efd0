import re
import shutil
import subprocess

import hosts
import needs
import pytest
from packaged import Built, once
from sandbox import CHECKOUT, Syslog
from throwaway_root import ThrowawayRoot, distribution_package


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The packages of this checkout, its uncommitted changes included."""
    needs.require("rpm")
    return Built(once(tmp_path_factory, "built", lambda folder: subprocess.run(
        [str(CHECKOUT / "packaging/build-rpms"), "--worktree", str(folder)], check=True)))


@pytest.fixture(scope="session")
def around(tmp_path_factory):
    """The packages of others (a folder): what Debian provides, a Perl engine, the Perl contribs."""
    needs.require("rpm")
    def make(folder):
        distribution_package(folder)
        hosts.build_perl_engine(folder)
        hosts.build_perl_contribs(folder)
    return once(tmp_path_factory, "around", make)


@pytest.fixture(scope="session")
def newer(tmp_path_factory):
    """The packages of this checkout as version 9.0.0 would be, to go back from."""
    def make(folder):
        tree = hosts.copy_checkout(folder / "tree")
        spec = tree / "smeserver-mxbackup.spec"
        spec.write_text(re.sub(r"(?m)^(Version: +).*", r"\g<1>9.0.0", spec.read_text()))
        subprocess.run([str(tree / "packaging/build-rpms"), str(folder)], check=True)
        shutil.rmtree(tree)
    return Built(once(tmp_path_factory, "newer", make))


@pytest.fixture(scope="session")
def throwaway():
    """What a throwaway root takes is here."""
    needs.require("root", "mounts")


@pytest.fixture
def root(throwaway, around):
    """A throwaway root in which rpm knows what Debian has, with a syslog socket (root.syslog)."""
    with ThrowawayRoot() as root:
        root.syslog = Syslog(root / "dev/log")
        root.rpm("-U", around / "debian-provides-1-1.noarch.rpm")
        try:
            yield root
        finally:
            root.syslog.close()


@pytest.fixture
def python_host(root):
    """A qmail host without e-smith, whose rcpthosts was written by hand."""
    return hosts.Host(root)


@pytest.fixture
def perl_host(root, around):
    """A host with a Perl-like e-smith-lib and its core fragments."""
    needs.require("text-template")
    # An SME server's rpm is 4.14 at the newest: none that hides /home from the Perl contrib's scriptlets.
    root.run("echo '%__transaction_unshare_paths %{nil}' >> /etc/rpm/macros")
    root.rpm("-U", around / "e-smith-lib-11.0.0-1.noarch.rpm")
    return hosts.Host(root, perl=True)
