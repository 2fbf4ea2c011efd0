"""`make repo`: the real dnf installs, upgrades and swaps from it."""

import re
import shutil
import subprocess
import zlib

import needs
import pytest
from sandbox import CHECKOUT


def make_repository(built, folder):
    """A repository of the packages `built`, in `folder` (which must not exist)."""
    needs.require("createrepo")
    folder.mkdir()
    for package in built.folder.glob("*.rpm"):
        shutil.copy(package, folder)
    subprocess.run([str(CHECKOUT / "packaging/build-repo"), str(folder)], check=True, capture_output=True)
    return folder / "repo"


@pytest.fixture
def dnf(root):
    """Runs dnf inside with a repository of the given packages."""
    needs.require("dnf")
    root.run("rm -rf /etc/yum.repos.d /var/lib/dnf /var/cache/dnf")

    def run(repository, *arguments):
        root.run("rm -rf /repository")
        shutil.copytree(repository, root / "/repository")
        root.write("/etc/yum.repos.d/mxbackup.repo",
                   "[mxbackup]\nname=mxbackup\nbaseurl=file:///repository\ngpgcheck=0\n")
        return root.run(["dnf", "-y", "--refresh", *arguments], check=True).stdout
    return run


def contribs(root):
    names = root.rpm("-qa", "--qf", "%{NAME}-%{VERSION}\n").stdout.split()
    return [name for name in names if name.startswith("smeserver-mxbackup")]


def test_dnf_installs_what_it_is_asked_for_and_keeps_it(root, python_host, dnf, built, newer, tmp_path):
    here, later = make_repository(built, tmp_path / "here"), make_repository(newer, tmp_path / "later")
    dnf(here, "install", "smeserver-mxbackup-utf8", "e-smith-python")
    assert contribs(root) == [f"smeserver-mxbackup-utf8-{built.version}"]
    dnf(here, "upgrade")
    assert contribs(root) == [f"smeserver-mxbackup-utf8-{built.version}"]
    dnf(later, "upgrade")
    assert contribs(root) == ["smeserver-mxbackup-utf8-9.0.0"]
    dnf(later, "swap", "smeserver-mxbackup-utf8", "smeserver-mxbackup")
    assert contribs(root) == ["smeserver-mxbackup-9.0.0"]


def test_the_repository_says_what_is_in_it(built, tmp_path):
    repository = make_repository(built, tmp_path / "here")
    listed = zlib.decompress((repository / "repodata/primary.xml.gz").read_bytes(), 31).decode()
    assert sorted(re.findall(r'<location href="([^"]*)"', listed)) == sorted(
        path.name for path in (built.utf8, built.latin1, built.engine))
    checksum = re.search(r'<data type="primary">\s*<checksum type="sha256">(\w+)',
                         (repository / "repodata/repomd.xml").read_text()).group(1)
    summed = subprocess.run(["sha256sum", str(repository / "repodata/primary.xml.gz")],
                            capture_output=True, text=True).stdout
    assert summed.startswith(checksum)
