"""make demo, as a newcomer runs it: in a clean clone, as root and as an ordinary user."""

import os
import shutil
import subprocess
import tempfile

import pytest
from sandbox import CHECKOUT

ORDINARY_USER = 65534


@pytest.fixture
def clone():
    """A copy of what is committed and changed here, in a folder that any user may enter."""
    folder = tempfile.mkdtemp(prefix="mxbackup-clone-")
    os.chmod(folder, 0o755)
    # Without git, the copy is what a source tarball gives.
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
                           cwd=CHECKOUT, stdout=subprocess.PIPE, check=False).stdout.decode().split("\0")[:-1]
    if names:
        listed = [name for name in names if os.path.lexists(CHECKOUT / name)]
        archive = subprocess.run(["tar", "-C", str(CHECKOUT), "--null", "-T", "-", "-cf", "-"],
                                 input="\0".join(listed).encode(), stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-C", folder, "-xf", "-"], input=archive.stdout, check=True)
    else:
        shutil.copytree(CHECKOUT, folder, symlinks=True, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns(".venv", "dist", "__pycache__"))
    yield folder
    shutil.rmtree(folder)


def demo(folder, before=(), **options):
    """Run the demo in `folder`, with the command `before` in front of it; returns its lines."""
    done = subprocess.run([*before, f"{folder}/demo/demo"], cwd=folder, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


@pytest.mark.needs("root", "mounts", "rpm", "mailfront", "networks", "nsd", "iproute")
def test_root_sees_the_packages_installed_and_the_dialogues(clone):
    lines = demo(clone)
    assert len(lines) < 100
    assert any("rpm -Uvh e-smith-python" in line for line in lines)
    assert sum(line.startswith("== ") for line in lines) >= 5
    assert lines[-1].startswith("Shown: the packages install;") and "Left out" not in lines[-1]


@pytest.mark.needs("root")
def test_an_ordinary_user_sees_the_same_steps_in_a_sandbox(clone):
    for parent, _folders, names in os.walk(clone):
        for name in [parent, *(os.path.join(parent, name) for name in names)]:
            os.lchown(name, ORDINARY_USER, ORDINARY_USER)
    lines = demo(clone, user=ORDINARY_USER, group=ORDINARY_USER, extra_groups=[],
                 env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": clone})
    assert any(line.startswith("left out: rpm -Uvh in a throwaway root: ") for line in lines)
    assert "Left out: rpm -Uvh in a throwaway root" in lines[-1]


@pytest.mark.needs("mounts", "rpm", "mailfront")
def test_root_without_the_right_to_mount_sees_them_in_a_sandbox_too(clone):
    lines = demo(clone, before=["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
    assert "left out: rpm -Uvh in a throwaway root: a throwaway root takes what is not here: mounts" in lines
    assert lines[-1].startswith("Shown: rules become rcpthosts; mailfront ") and "networks" in lines[-1]
