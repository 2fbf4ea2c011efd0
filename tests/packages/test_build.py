"""What the packages hold and say, read from the built files."""

import os
import pathlib
import shutil
import stat
import subprocess

import needs
import pytest
from hosts import copy_checkout
from sandbox import CHECKOUT

MODES = {stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755, stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777}


def header(path):
    """The header (rpm.hdr) of the package file `path`."""
    import rpm
    transaction = rpm.TransactionSet()
    # Signing is for whoever hands the packages out.
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_NOHDRCHK)
    with open(path, "rb") as package:
        return transaction.hdrFromFdno(package)


def digests(found):
    """The digest of each file of a package, by path."""
    import rpm
    return {str(file.name): file.digest for file in rpm.files(found)}


@pytest.fixture
def headers(built):
    needs.require("python3-rpm")
    return {name: header(getattr(built, name)) for name in ("utf8", "latin1", "engine")}


def test_three_packages_for_every_machine_with_their_sources(built, headers):
    assert {name: found["NAME"] for name, found in headers.items()} == {
        "utf8": "smeserver-mxbackup-utf8", "latin1": "smeserver-mxbackup", "engine": "e-smith-python"}
    assert {found["ARCH"] for found in headers.values()} == {"noarch"}
    assert {found["LICENSE"] for found in headers.values()} == {"GPL-2.0-or-later"}
    assert len({(found["VERSION"], found["RELEASE"]) for found in headers.values()}) == 1
    sources = {header(path)["NAME"] for path in built.sources}
    assert sources == {"smeserver-mxbackup-utf8", "smeserver-mxbackup"}


def test_an_old_rpm_can_read_them(headers):
    for found in headers.values():
        assert (found["PAYLOADCOMPRESSOR"], found["PAYLOADFORMAT"]) == ("gzip", "cpio")
        assert {name for name in found["REQUIRENAME"] if name.startswith("rpmlib(")} <= {
            "rpmlib(CompressedFileNames)", "rpmlib(FileDigests)", "rpmlib(PayloadFilesHavePrefix)"}


def test_modes_and_owners_are_those_of_an_sme_server(headers):
    import rpm
    for found in headers.values():
        for file in rpm.files(found):
            assert (file.user, file.group) == ("root", "root"), file.name
            assert file.mode in MODES, (file.name, oct(file.mode))


def test_no_byte_code_and_nothing_that_only_the_sources_need(headers):
    for found in headers.values():
        paths = list(digests(found))
        assert not [path for path in paths if path.endswith((".pyc", "__pycache__", "~", ".gitignore"))]
        assert not [path for path in paths if "/tests/" in path or "/packaging/" in path]


def test_the_engine_alone_has_the_commands_and_both_the_same_library(headers):
    engine, contrib = digests(headers["engine"]), digests(headers["utf8"])
    shared = set(engine) & set(contrib)
    library = {path for path in contrib
               if path.startswith(("/usr/lib/mxbackup/esmith", "/usr/lib/mxbackup/mxbackup"))}
    assert "/usr/lib/mxbackup/mxbackup/targets.py" in library
    assert library == {path for path in engine if path.startswith("/usr/lib/mxbackup/")}
    assert all(engine[path] == contrib[path] for path in shared)
    commands = {f"/sbin/e-smith/{name}" for name in ("db", "config", "expand-template", "signal-event")}
    assert commands <= set(engine)
    assert not [path for path in contrib if path.startswith("/sbin/e-smith")]


def test_an_sme_server_has_its_own_standard_actions_and_core_templates(headers):
    contrib = set(digests(headers["utf8"]))
    for path in ("/etc/e-smith/events/actions/initialize-default-databases",
                 "/etc/e-smith/events/actions/generic_template_expand",
                 "/etc/e-smith/events/actions/adjust-services",
                 "/etc/e-smith/templates-default/template-begin"):
        assert path not in contrib
        assert path in digests(headers["engine"])


@pytest.mark.needs("git")
def test_the_packages_hold_all_of_root(headers):
    held = set(digests(headers["utf8"])) | set(digests(headers["engine"]))
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "root"],
                            cwd=CHECKOUT, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    for name in listed.stdout.splitlines():
        path = name[len("root"):]
        if os.path.lexists(CHECKOUT / name):
            assert {path, path + ".gz"} & held, path


def test_the_variants_differ_in_charset_alone(headers):
    utf8, latin1 = digests(headers["utf8"]), digests(headers["latin1"])

    def of_variant(path):
        return path.startswith(("/usr/lib/mxbackup/variant/", "/usr/share/licenses/", "/usr/share/doc/"))

    assert {p for p in utf8 if not of_variant(p)} == {p for p in latin1 if not of_variant(p)}
    for path in set(utf8) & set(latin1):
        if utf8[path] != latin1[path]:
            assert path == "/usr/lib/mxbackup/charset" or path.startswith(
                ("/etc/e-smith/locale/", "/usr/share/man/", "/usr/share/doc/")), path


def test_two_builds_of_one_tree_are_the_same_bytes(built, tmp_path_factory):
    # A folder of another name and depth, on another file system where there is one, under another umask.
    away = pathlib.Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else tmp_path_factory.mktemp("away")
    away = pathlib.Path(subprocess.run(["mktemp", "-d", "-p", str(away)], check=True, capture_output=True,
                                       text=True).stdout.strip())
    try:
        again = away / "a/deeper/folder"
        environment = {**os.environ, "TMPDIR": str(away), "HOME": str(away), "TZ": "Asia/Tokyo",
                       "LANG": "fr_FR.UTF-8"}
        build = str(CHECKOUT / "packaging/build-rpms")
        subprocess.run(["sh", "-c", 'umask 077; exec "$0" --worktree "$1"', build, str(again)],
                       check=True, env=environment)
        for package in sorted(built.folder.glob("*.rpm")):
            assert (again / package.name).read_bytes() == package.read_bytes(), package.name
    finally:
        shutil.rmtree(away)


def test_a_source_package_builds_the_variant_that_it_is_named_after(built, tmp_path):
    for source in built.sources:
        subprocess.run(["rpmbuild", "--quiet", "--nodeps", "--rebuild", "--define", f"_topdir {tmp_path}",
                        str(source)], check=True, capture_output=True)
    made = {path.name for path in tmp_path.glob("RPMS/noarch/*.rpm")}
    assert made == {path.name for path in (built.utf8, built.latin1, built.engine)}


def test_a_build_without_git_takes_the_folder_as_it_is(tmp_path):
    tree = copy_checkout(tmp_path / "smeserver-mxbackup")
    subprocess.run([str(tree / "packaging/build-rpms"), str(tmp_path / "out")],
                   check=True, capture_output=True)
    assert len(list((tmp_path / "out").glob("*.rpm"))) == 5


def test_each_administrator_s_program_has_a_manual_page(headers):
    for found in headers.values():
        paths = set(digests(found))
        for path in paths:
            if path.startswith(("/usr/bin/", "/usr/sbin/")):
                assert f"/usr/share/man/man8/{path.rsplit('/', 1)[1]}.8.gz" in paths


@pytest.mark.needs("rpmlint")
def test_rpmlint_finds_nothing(built):
    found = subprocess.run(
        ["rpmlint", "--config", "packaging/rpmlint.toml", "smeserver-mxbackup.spec",
         *map(str, sorted(built.folder.glob("*.rpm")))], cwd=CHECKOUT, capture_output=True, text=True)
    assert " 0 errors, 0 warnings" in found.stdout, found.stdout + found.stderr
