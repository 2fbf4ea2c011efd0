"""From 1.0.0 to today: its fragments, and what administrators made of them, meet the library of today."""

import re
import shutil
import subprocess

import perlhost
import pytest
from hosts import CONFIGURATION, ENTRIES, RCPTHOSTS, SMTPROUTES, copy_checkout
from packaged import Built, once
from sandbox import DATA, ROOT
from test_install import ROUTES, assert_served, change, installed, packages
from twoengines import perl

OLD = DATA / "1.0.0/templates"
TODAY = ROOT / "etc/e-smith/templates"
# What fragments may call: each of 1.0.0's, an administrator's, and ours of today, which may meet the old library.
PUBLISHED = {
    'use("mxbackup.targets").text',
    'use("mxbackup.thishost").own_domains',
    'use("mxbackup.thishost").default_route',
}
OUTPUTS = {
    RCPTHOSTS: ["sme.doecom.net", "smithnet.com", ".smithnet.com", "mail.bar.org"],
    SMTPROUTES: [":relay.provider.example", "smithnet.com:", ".smithnet.com:", "mail.bar.org:"],
    "/var/service/qpsmtpd/config/rcpthosts": ["sme.doecom.net", "smithnet.com", ".smithnet.com", "mail.bar.org"],
    "/var/service/qpsmtpd/config/smtproutes": [":relay.provider.example", "smithnet.com:", ".smithnet.com:",
                                               "mail.bar.org:"],
    "/var/service/qpsmtpd/config/goodrcptto": ["@smithnet.com", "@mail.bar.org"],
    "/var/spool/smtpd/etc/smtpd_check_rules": ["allow:ALL:ALL:*.smithnet.com *@smithnet.com",
                                               "allow:ALL:ALL:*@mail.bar.org"],
}
# An administrator's own fragment in place of ours, as docs/fragments.md of 1.0.0 had it, with a line of his own.
CUSTOM = f"/etc/e-smith/templates-custom{RCPTHOSTS}/20QandD"
OWN_FRAGMENT = """\
{# jinja2
$OUT = `/usr/lib/mxbackup/fragment var/qmail/control/rcpthosts/20QandD`; die "it failed" if $?; my $jinja2 = q{{ #}
his.own.example
{{ use("mxbackup.targets").text("rcpthosts", DB) -}}
{# }} #}"""


def fragments(folder):
    """The fragments (list of pathlib.Path) of the package below `folder`."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def calls(folder):
    """What of Python the fragments below `folder` call (set of str)."""
    return {call for path in fragments(folder) for call in re.findall(r'use\("[^"]+"\)\.\w+', path.read_text())}


@pytest.fixture
def upgraded(sandbox):
    """A host with the library of today and the fragments of 1.0.0; each output has its folder."""
    sandbox.plant()
    shutil.rmtree(sandbox / "/etc/e-smith/templates")
    shutil.copytree(OLD, sandbox / "/etc/e-smith/templates", symlinks=True)
    sandbox.write(CONFIGURATION, "DomainName=doecom.net\nSMTPSmartHost=relay.provider.example\nSystemName=sme\n"
                                 "mxbackup=service|name|smithnet.com,1,mail.bar.org,0|status|enabled\n")
    for path in OUTPUTS:
        (sandbox / path).parent.mkdir(parents=True, exist_ok=True)
    return sandbox


def entries(sandbox, path):
    return [line for line in sandbox.read(path).splitlines() if line and not line.startswith("#")]


def test_fragments_of_then_and_now_call_the_same_published_names():
    assert len(fragments(OLD)) == 10
    assert calls(OLD) == PUBLISHED
    assert calls(TODAY) == PUBLISHED


def test_fragments_of_then_give_the_same_with_the_library_of_today(upgraded):
    for path, wanted in OUTPUTS.items():
        expanded = upgraded.run("expand-template", path)
        assert (expanded.returncode, expanded.stderr) == (0, "")
        assert entries(upgraded, path) == wanted


def test_the_perl_engine_gets_the_same_from_the_helper_of_today(upgraded):
    perlhost.make(upgraded)
    for path, wanted in OUTPUTS.items():
        expanded = perl(upgraded, "expand-template", path)
        assert (expanded.returncode, expanded.stderr) == (0, "")
        # The core fragments are the Perl engine's own.
        assert entries(upgraded, path) == [line for line in wanted
                                           if line not in ("sme.doecom.net", ":relay.provider.example")]


@pytest.mark.parametrize("engine", ["Perl engine", "our engine"])
def test_a_library_that_is_not_whole_yet_leaves_the_file_as_it_was(upgraded, engine):
    def expand():
        return perl(upgraded, "expand-template", RCPTHOSTS) if engine == "Perl engine" else subprocess.run(
            [str(upgraded / "/sbin/e-smith/expand-template"), RCPTHOSTS], env=upgraded.environment,
            capture_output=True, text=True)

    library = upgraded / "/usr/lib/mxbackup"
    library.unlink()
    shutil.copytree(ROOT / "usr/lib/mxbackup", library, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "sbin", upgraded / "/sbin")
    if engine == "Perl engine":
        perlhost.make(upgraded)
    assert expand().stderr == ""
    before = upgraded.read(RCPTHOSTS)
    # rpm lays the files in this order; what is last is not there yet.
    for path in sorted(library.glob("mxbackup/**/*.py"), reverse=True):
        path.unlink()
        if path.name == "targets.py":
            break
    for _ in range(2):
        assert "ERROR: " in expand().stderr
        assert upgraded.read(RCPTHOSTS) == before


@pytest.fixture(scope="session")
def older(tmp_path_factory):
    """Packages of version 1.0.0 with its fragments; the library is that of this checkout."""
    def make(folder):
        tree = copy_checkout(folder / "tree")
        spec = tree / "smeserver-mxbackup.spec"
        spec.write_text(re.sub(r"(?m)^(Version: +).*", r"\g<1>1.0.0", spec.read_text()))
        shutil.rmtree(tree / "root/etc/e-smith/templates")
        shutil.copytree(OLD, tree / "root/etc/e-smith/templates", symlinks=True)
        subprocess.run([str(tree / "packaging/build-rpms"), str(folder)], check=True)
        shutil.rmtree(tree)
    return Built(once(tmp_path_factory, "older", make))


@pytest.mark.parametrize("engine", ["Perl engine", "our engine"])
def test_an_upgrade_keeps_rules_status_and_an_administrator_s_fragment(request, older, built, engine):
    host = request.getfixturevalue("perl_host" if engine == "Perl engine" else "python_host")
    change(host, "-Uvh", *packages(host, older))
    assert_served(host)
    record = host.record()
    host.root.write(CUSTOM, OWN_FRAGMENT)
    host.root.run(["/sbin/e-smith/signal-event", "mxbackup-update"], check=True)
    host.own.add("his.own.example")
    assert_served(host)

    said = change(host, "-Uvh", *packages(host, built))
    assert "did not work" not in said and "warning" not in said and "error" not in said
    assert_served(host)
    assert host.record() == record
    assert host.root.read(CUSTOM) == OWN_FRAGMENT
    assert host.lines(SMTPROUTES) >= ROUTES and host.lines() >= ENTRIES
    assert host.root.rpm("-q", "--qf", "%{VERSION} ", *installed(host.root)).stdout.split() == \
        [built.version] * len(installed(host.root))
    for fragment in fragments(TODAY):
        if host.root.exists(f"/etc/e-smith/templates/{fragment.relative_to(TODAY)}"):
            assert host.root.read(f"/etc/e-smith/templates/{fragment.relative_to(TODAY)}") == fragment.read_text()
