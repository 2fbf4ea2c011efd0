"""A throwaway `/`: the machine's own files under a layer in memory that disappears with it."""

import os
import pathlib
import shutil
import subprocess
import tempfile

import needs
from sandbox import CHECKOUT, Tree

# Run as process 1 of new mount and process namespaces. It ends when its standard input does, so
# also when whoever made it is killed; the kernel then ends what still runs inside and drops the mounts.
_HOLDER = r"""
set -e
base=$1 size=$2
mount -t tmpfs -o mode=755,size="$size" throwaway "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay -o lowerdir=/,upperdir="$base/upper",workdir="$base/work" throwaway "$base/root"
cd "$base/root"
for folder in tmp run dev; do mount -t tmpfs -o mode=755 "throwaway-$folder" $folder; done
chmod 1777 tmp
mount -t proc throwaway-proc proc
mkdir dev/shm dev/pts
mknod -m 666 dev/null c 1 3; mknod -m 666 dev/zero c 1 5; mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8; mknod -m 666 dev/urandom c 1 9; mknod -m 666 dev/tty c 5 0
ln -s /proc/self/fd dev/fd; ln -s fd/0 dev/stdin; ln -s fd/1 dev/stdout; ln -s fd/2 dev/stderr
# The RPM database of the root's own, wherever the distribution would look.
rm -rf var/lib/rpm root/.rpmdb
mkdir -p var/lib/rpm etc/rpm
echo '%_dbpath /var/lib/rpm' > etc/rpm/macros
exec chroot . /bin/sh -c 'echo ready; read -r end || exit 0'
"""

_ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "dumb",
}

# What every Linux has, under the same name everywhere.
_EVERYWHERE = "coreutils", "findutils", "grep", "sed"


class Unavailable(Exception):
    """A throwaway root cannot be made here; the text says why."""


class ThrowawayRoot(Tree):
    """One throwaway `/`, in mount and process namespaces of its own.

    Everything written inside stays in memory; the machine's own files are only read. What is started
    inside ends with the root. Use it as a context manager, or call close().
    `size` is the room for what is written, as mount(8) takes it for tmpfs.
    Raises Unavailable where the machine does not allow it.
    """

    def __init__(self, size="1g"):
        lacking = needs.lacking("root", "mounts")
        if lacking:
            raise Unavailable(f"a throwaway root takes what is not here: {lacking}")
        self._base = tempfile.mkdtemp(prefix="throwaway-root-")
        self._holder = subprocess.Popen(
            [str(CHECKOUT / "packaging/apart"), "--pid", "--fork", "--kill-child",
             "/bin/sh", "-c", _HOLDER, "holder", self._base, size],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env=_ENVIRONMENT,
        )
        if self._holder.stdout.readline() != b"ready\n":
            reason = self._holder.communicate()[1].decode(errors="replace").strip()
            os.rmdir(self._base)
            raise Unavailable(f"no throwaway root here: {reason or 'unshare gave up'}")
        # unshare(1), which apart has become; its child is the first process inside.
        children = pathlib.Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        self.pid = int(children.read_text())

    @property
    def path(self):
        """The root as seen from outside. A link inside that is absolute leads outside: use read()."""
        return pathlib.Path(f"/proc/{self.pid}/root")

    def argv(self, argv):
        """The command (list of str) that runs `argv` inside, for whoever starts processes himself."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--root", "--wd", *map(str, argv)]

    def popen(self, argv, environment=None, **options):
        """Start `argv` inside; `options` as for subprocess.Popen. The caller ends it, or close() does."""
        return subprocess.Popen(self.argv(argv), env={**_ENVIRONMENT, **(environment or {})}, **options)

    def run(self, argv, input=None, check=False, timeout=120, environment=None):
        """Run `argv` (a list, or a str for /bin/sh) inside, to its end.

        Returns subprocess.CompletedProcess, with text in stdout and stderr. With `check`, a status that
        is not 0 is an AssertionError that shows the output.
        """
        argv = ["/bin/sh", "-c", argv] if isinstance(argv, str) else argv
        done = subprocess.run(
            self.argv(argv), input=input or "", capture_output=True, text=True, errors="surrogateescape",
            timeout=timeout, env={**_ENVIRONMENT, **(environment or {})}, check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def rpm(self, *arguments, check=True, timeout=120):
        """Run the real rpm inside; an RPM file that is outside is copied in first.

        Returns subprocess.CompletedProcess, as run().
        """
        inside = [self.copy(a) if str(a).endswith(".rpm") and os.path.exists(a) else a for a in arguments]
        done = self.run(["rpm", *inside], timeout=timeout)
        # Debian's rpm tells root on each change that it is not Debian's package manager.
        done.stderr = "".join(
            line for line in done.stderr.splitlines(keepends=True) if not line.startswith("rpm: "))
        if check and done.returncode != 0:
            raise AssertionError(f"rpm {' '.join(map(str, arguments))}: {done.returncode}\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def copy(self, path, folder="/root"):
        """Copy a file of outside into `folder` inside; returns its path inside."""
        target = self / folder
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
        return f"{folder.rstrip('/')}/{os.path.basename(path)}"

    def read(self, path):
        """The text of the file `path` inside, links resolved inside; FileNotFoundError where none is."""
        done = self.run(["cat", "--", path])
        if done.returncode != 0:
            raise FileNotFoundError(done.stderr.strip())
        return done.stdout

    def exists(self, path):
        return self.run(["test", "-e", path]).returncode == 0

    def close(self):
        """End everything inside and forget it; may be called twice."""
        if self._holder.poll() is None:
            self._holder.stdin.close()
            try:
                self._holder.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._holder.kill()
                self._holder.wait()
        for stream in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            stream.close()
        if os.path.isdir(self._base):
            os.rmdir(self._base)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def build_package(folder, name, version, body, release="1", rpmbuild=()):
    """Build a noarch RPM of our own from `body` (str: the spec after its preamble's first lines).

    `rpmbuild` are more arguments. Returns its path (pathlib.Path) in `folder`.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / f"{name}.spec"
    spec.write_text(f"Name: {name}\nVersion: {version}\nRelease: {release}\nSummary: For a throwaway root\n"
                    f"License: GPL-2.0-or-later\nBuildArch: noarch\n{body}")
    with tempfile.TemporaryDirectory(prefix="throwaway-package-") as top:
        subprocess.run(
            ["rpmbuild", "--quiet", "-bb", "--define", f"_topdir {top}", "--define", f"_rpmdir {folder}",
             "--define", "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.noarch.rpm",
             "--define", "_binary_payload w1.gzdio", "--define", f"_dbpath {top}/db", *rpmbuild, str(spec)],
            check=True, capture_output=True, stdin=subprocess.DEVNULL)
    spec.unlink()
    return folder / f"{name}-{version}-{release}.noarch.rpm"


def distribution_package(folder):
    """Build the RPM that tells rpm what is on this Debian machine; returns its path.

    It holds no file. It provides the RPM names of those Debian packages that are installed here.
    """
    provides = ["/bin/sh", "/usr/bin/python3", "/usr/bin/perl"]
    packages = {name: name for name in _EVERYWHERE}
    packages.update((need.dnf, need.apt) for need in needs.table().values() if need.stage == "run")
    for name, debian in packages.items():
        found = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", debian],
                               capture_output=True, text=True, check=False).stdout.split()
        if found[:1] == ["installed"]:
            provides.append(f"{name} = {found[1].split(':')[-1].split('-')[0]}")
    body = "".join(f"Provides: {p}\n" for p in provides)
    return build_package(folder, "debian-provides", "1",
                         body + "%description\nWhat Debian's packages provide.\n%files\n")
