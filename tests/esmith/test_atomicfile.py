"""A file is replaced as a whole or not at all."""

import os
import stat
import subprocess

import pytest
from sandbox import ROOT

from esmith import atomicfile


def attribute_possible(path):
    try:
        os.setxattr(path, "user.test", b"x")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("umask", [0, 0o027, 0o777])
def test_the_mode_of_a_new_file_does_not_depend_on_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        atomicfile.replace(str(tmp_path / "file"), b"new\n")
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == b"new\n"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["file"]


def test_mode_owner_and_attributes_are_kept(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o604)
    owner = (7, 8) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(path, *owner)
    attributes = attribute_possible(path)
    inode = path.stat().st_ino
    atomicfile.replace(str(path), b"new")
    status = path.stat()
    assert status.st_ino != inode and path.read_text() == "new"
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o604, *owner)
    if attributes:
        assert os.getxattr(path, "user.test") == b"x"
    atomicfile.replace(str(path), b"newer", mode=0o400)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


@pytest.mark.needs("acl")
def test_an_access_control_list_is_kept(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    # posix_acl_xattr: version 2, then (tag, permissions, id) of owner, user 1, group, mask and others.
    entries = [(1, 6, 0xFFFFFFFF), (2, 4, 1), (4, 4, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF)]
    acl = b"\2\0\0\0" + b"".join(
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, bits, who in entries
    )
    os.setxattr(path, "system.posix_acl_access", acl)
    atomicfile.replace(str(path), b"new")
    assert os.getxattr(path, "system.posix_acl_access") == acl


@pytest.mark.parametrize("target", ["missing/file", "folder"])
def test_where_it_cannot_be_the_old_stays_and_nothing_is_left(tmp_path, target):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        atomicfile.replace(str(tmp_path / target), b"new")
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(tmp_path / "folder") == []


def test_leaving_without_commit_leaves_the_old(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with atomicfile.Replacement(str(path), [b"n", b"ew" * 100_000, b"est"]):
        assert len(os.listdir(tmp_path)) == 2
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_only_the_right_file_is_replaced(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    right = path.stat().st_ino
    with atomicfile.Replacement(str(path), [b"new"]) as replacement:
        # The first look finds the right file, and then another is there, as if written in between.
        looks = iter([True, False])
        assert replacement.commit(lambda _path: next(looks)) is False
    assert path.read_text() == "old" and path.stat().st_ino == right
    with atomicfile.Replacement(str(path), [b"new"]) as replacement:
        assert replacement.commit(lambda path: os.stat(path).st_ino == right + 1) is False
    with atomicfile.Replacement(str(path), [b"new"]) as replacement:
        assert replacement.commit(lambda path: os.stat(path).st_ino == right) is True
    assert path.read_text() == "new" and os.listdir(tmp_path) == ["file"]


def test_what_a_killed_writer_left_is_removed_and_what_a_live_one_has_is_not(tmp_path):
    path = tmp_path / "file"
    (tmp_path / ".file.0123456789ab.esmith~").write_text("left")
    (tmp_path / ".file.other~").write_text("not ours")
    (tmp_path / "file.4711").write_text("somebody's copy")
    with atomicfile.Replacement(str(path), [b"slow"]) as slow:
        atomicfile.replace(str(path), b"quick")
        assert path.read_text() == "quick"
        slow.commit()
    assert path.read_text() == "slow"
    assert sorted(os.listdir(tmp_path)) == [".file.other~", "file", "file.4711"]


def test_names_as_long_as_can_be_and_of_any_bytes(tmp_path):
    for name in b"x" * 255, b"\xff" * 255, "é".encode() * 127:
        path = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
        atomicfile.replace(path, b"one")
        atomicfile.replace(path, b"two")
        with open(path, "rb") as file:
            assert file.read() == b"two"
    assert len(os.listdir(tmp_path)) == 3


@pytest.mark.needs("tracing")
def test_the_content_is_on_disk_before_it_has_the_name(tmp_path):
    """As strace sees it: fsync of the new file, rename, fsync of the folder."""
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'usr/lib/mxbackup')!r})\n" \
        f"from esmith.atomicfile import replace; replace({str(tmp_path / 'file')!r}, b'new')"
    traced = subprocess.run(
        ["strace", "-e", "trace=openat,fsync,rename,renameat,renameat2", "/usr/bin/python3", "-IS", "-c", program],
        capture_output=True, text=True,
    )
    assert traced.returncode == 0, traced.stderr
    calls = [line for line in traced.stderr.splitlines() if str(tmp_path) in line or line.startswith("fsync")]
    opened, synced, renamed, folder, folder_synced = [line.partition("(")[0] for line in calls[-5:]]
    assert (opened, synced, folder, folder_synced) == ("openat", "fsync", "openat", "fsync")
    assert renamed.startswith("rename")
