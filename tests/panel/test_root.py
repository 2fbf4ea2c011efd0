"""How the server-manager's page becomes root: run so, or by a rule of sudo; else it says what is missing."""

import os
import re
import shutil
import subprocess
import tempfile

import pytest
from doors import CGI, prepare
from sandbox import CHECKOUT, ROOT, Sandbox

USER = "nobody"
REQUEST = {
    "GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_USER": "admin", "REQUEST_METHOD": "GET", "SCRIPT_NAME": CGI,
    "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "sme", "SERVER_PORT": "980",
    "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_ACCEPT_LANGUAGE": "fr", "PATH": "/usr/bin:/bin",
}


@pytest.fixture
def shared_host():
    """A host that another user can look into, the library copied there."""
    folder = tempfile.mkdtemp(prefix="mxbackup-panel-")
    os.chmod(folder, 0o755)
    host = Sandbox(folder)
    shutil.copytree(ROOT / "etc", host / "/etc", symlinks=True)
    shutil.copytree(ROOT / "usr/lib/mxbackup", host / "/usr/lib/mxbackup", symlinks=True)
    yield prepare(host)
    shutil.rmtree(folder)


def run(host, rules, **request):
    """Run the page as USER on a machine whose /etc/sudoers.d holds `rules`; returns what it answered."""
    host.write("/rules/mxbackup", rules, 0o440)
    host.write("/environment", f"ESMITH_ROOT={host.path}\n")
    command = (f'mount --bind "$1/rules" /etc/sudoers.d && exec setpriv --reuid {USER} --regid nogroup'
               ' --clear-groups "$1/etc/e-smith/web/functions/mxbackup"')
    return subprocess.run([CHECKOUT / "packaging/apart", "sh", "-c", command, "sh", host.path], capture_output=True,
                          env={**REQUEST, **request}, timeout=60)


def documented(host):
    """The rules that docs/panel.md gives, for this page and USER."""
    text = (CHECKOUT / "docs/panel.md").read_text()
    rules = "".join(line.strip() + "\n" for line in re.findall(r"(?m)^ {6}((?:Defaults|admin).*)$", text))
    page = host / "/etc/e-smith/web/functions/mxbackup"
    rules = rules.replace("/etc/e-smith/web/functions/mxbackup", str(page))
    rules = rules.replace("admin ALL", USER + " ALL")
    # What the package would find below /, the test has below ESMITH_ROOT.
    return rules + f"Defaults!{page} env_file={host.path}/environment\n"


pytestmark = pytest.mark.needs("mounts", "sudo")


def test_the_rule_of_the_documentation_makes_it_work(shared_host):
    ran = run(shared_host, documented(shared_host))
    assert ran.stdout.startswith(b"Status: 200 OK"), ran
    assert "Le MX de secours est activé".encode() in ran.stdout and b"smithnet.com" in ran.stdout
    ran = run(shared_host, documented(shared_host), PATH_INFO="/remove", QUERY_STRING="name=mail.bar.org")
    assert b"mail.bar.org" in ran.stdout and b"smithnet.com" not in ran.stdout


def test_without_a_rule_it_says_so(shared_host):
    ran = run(shared_host, "# no rule\n")
    assert ran.stdout.startswith(b"Status: 500 ") and b"smithnet" not in ran.stdout
    assert b"ERR_NOT_ROOT" in ran.stdout, "below / there is no lexicon"


def test_without_a_user_sudo_is_not_even_asked(shared_host):
    ran = run(shared_host, documented(shared_host), REMOTE_USER="")
    assert ran.stdout.startswith(b"Status: 403 ") and b"sudo" not in ran.stderr
