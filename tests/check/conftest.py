import mailfront
import needs
import pytest
from qpsmtpd import qpsmtpd
from sandbox import Sandbox
from world import NEEDS, serving


@pytest.fixture(scope="session")
def sme(tmp_path_factory):
    """The host sme.doecom.net, a backup MX for the DOMAIN smithnet.com and the HOST mail.bar.org."""
    host = Sandbox(tmp_path_factory.mktemp("sme")).plant()
    host.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=sme\n")
    (host / "/var/qmail/control").mkdir(parents=True)
    for command in (["add", "--domain", "smithnet.com"], ["add", "mail.bar.org"]):
        done = host.run("mxbackup", *command)
        assert done.returncode == 0, done.stderr
    return host


@pytest.fixture(scope="session")
def sme_mailfront(sme, tmp_path_factory):
    """mailfront on that host's files: (host, port), and the folder that gets its messages."""
    queue = tmp_path_factory.mktemp("queue")
    with mailfront.start(sme / "/var/qmail/control", queue=queue) as server:
        yield server.address, queue


@pytest.fixture(scope="session")
def sme_qpsmtpd(sme):
    """qpsmtpd on that host's rcpthosts: (host, port), and the maildir that gets its messages."""
    with qpsmtpd(sme / "/var/qmail/control/rcpthosts") as server:
        yield server


@pytest.fixture(scope="session")
def world(sme, tmp_path_factory):
    """The how-to's Internet, with nsd, the backup MX and the primary in it."""
    needs.require(*NEEDS)
    with serving(tmp_path_factory.mktemp("world"), sme / "/var/qmail/control") as world:
        yield world
