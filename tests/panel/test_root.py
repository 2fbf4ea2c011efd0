"""How the server-manager's page becomes root: run so, or by a rule of sudo; else it says what is missing."""

import os
import re
import shutil
import subprocess
import tempfile

import needs
import pytest
from doors import CGI, RULES, prepare
from sandbox import CHECKOUT, ROOT, Sandbox
from throwaway_root import ThrowawayRoot
from twoengines import PERL

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


WRAPPER = """
#include <unistd.h>
/* Stands in for the wrapper of an SME 10 manager: root in effect, the real user as before. */
int main(int argc, char **argv) { execv("/etc/e-smith/web/functions/mxbackup", argv); return 127; }
"""
# Without its own becoming root wholly, each of these would stop or mislead what runs as root.
HOSTILE = {"PATH": "/tmp:.", "ESMITH_ROOT": "/tmp", "DBPATH": "/tmp", "MXBACKUP_WITHHOLD": "1", "BASH_ENV": "/tmp/x",
           "PERL5LIB": "/tmp", "CDPATH": "/tmp"}


@pytest.fixture
def sme_10():
    """An SME 10 in a throwaway root: the Perl engine's stand-in, and the manager's wrapper, 4750 root:nogroup."""
    needs.require("mounts", "cc", "text-template")
    with ThrowawayRoot() as root:
        shutil.copytree(ROOT / "etc", root / "/etc", symlinks=True, dirs_exist_ok=True)
        shutil.copytree(ROOT / "usr/lib/mxbackup", root / "/usr/lib/mxbackup", symlinks=True)
        (root / "/sbin/e-smith").mkdir(parents=True)
        for name in ("Engine.pm", "expand-template", "signal-event"):
            shutil.copy(PERL / name, root / f"/sbin/e-smith/{name}")
        for core in (root / "/etc/e-smith/templates").rglob("10*"):
            core.unlink()
        root.write("/home/e-smith/db/configuration", RULES)
        root.write("/var/qmail/control/rcpthosts", "")
        root.write("/root/wrapper.c", WRAPPER)
        root.run("cc -o /usr/sbin/wrapper /root/wrapper.c && chgrp nogroup /usr/sbin/wrapper && "
                 "chmod 4750 /usr/sbin/wrapper", check=True)
        yield root


def through_the_wrapper(root, form="", **request):
    request = {**REQUEST, **HOSTILE, **request}
    if form:
        request.update(REQUEST_METHOD="POST", CONTENT_TYPE="application/x-www-form-urlencoded",
                       CONTENT_LENGTH=str(len(form)))
    environment = [f"{name}={value}" for name, value in request.items()]
    return root.run(["/usr/bin/env", "-i", *environment, "/usr/bin/setpriv", "--reuid", USER, "--regid", "nogroup",
                     "--clear-groups", "/usr/sbin/wrapper"], input=form)


@pytest.mark.needs("perl", "text-template", "mounts")
def test_behind_a_setuid_wrapper_it_is_root_wholly_and_the_perl_handlers_run(sme_10):
    ran = through_the_wrapper(sme_10)
    assert ran.stdout.startswith("Status: 200 OK"), ran
    assert "smithnet.com" in ran.stdout and "Le MX de secours est activ\xe9" in ran.stdout
    token = re.search('name="token" value="([^"]+)"', ran.stdout).group(1)
    ran = through_the_wrapper(sme_10, f"token={token}&name=a.org&kind=HOST", PATH_INFO="/create/confirm")
    assert ran.stdout.startswith("Status: 303") and "SUCCESS_ADDED" in ran.stdout, ran
    assert "Insecure" not in ran.stderr
    # Done is not only said: the handlers were root's, and so is what they wrote.
    lines = sme_10.read("/var/qmail/control/rcpthosts").splitlines()
    assert {"a.org", "smithnet.com", ".smithnet.com"} <= set(lines)
    owner = os.stat(sme_10 / "/var/lib/mxbackup/panel.secret")
    assert (owner.st_uid, owner.st_gid) == (0, 0)


@pytest.mark.needs("perl", "text-template", "mounts")
def test_the_wrapper_alone_would_have_left_the_mail_files_old(sme_10):
    event = sme_10.run(["setpriv", "--ruid", USER, "--clear-groups", "/sbin/e-smith/signal-event", "mxbackup-update"],
                       environment={"PATH": "/tmp:/usr/bin:/bin"})
    assert "nsecure" in event.stderr and event.returncode
