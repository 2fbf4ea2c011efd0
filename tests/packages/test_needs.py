"""make needs asks the package manager that is there, and what is not to be had is named and left out."""

import re
import subprocess

import needs
import pytest
from sandbox import CHECKOUT
from throwaway_root import ThrowawayRoot

# As EL 9 answers: rpm knows itself, dnf has all but these. EL has no package of Debian's mailfront or qpsmtpd at all.
STAND_INS = {
    "rpm": '#!/bin/sh\n[ "$*" = "-q rpm" ] && echo rpm-4.16.1.3-34.el9.x86_64\n',
    "dnf": """#!/bin/sh
for argument; do
    case $argument in
        -*|install) ;;
        python3-bottle|nsd) echo "No match for argument: $argument" >&2; missing=1 ;;
        *) names="$names $argument" ;;
    esac
done
if [ "$missing" ]; then echo 'Error: Unable to find a match' >&2; exit 1; fi
echo "$names" >> /asked
""",
}


@pytest.fixture
def el9(throwaway):
    """A root with this checkout in /checkout where nothing is found but what EL 9 has from the start."""
    with ThrowawayRoot() as root:
        for name in "needs", "needs.txt", "install-needs", "apart":
            root.copy(CHECKOUT / "packaging" / name, "/checkout/packaging")
        for name, text in STAND_INS.items():
            root.write(f"/usr/local/bin/{name}", text, 0o755)
        root.run("rm -rf /usr/bin/dpkg-query /usr/bin/rpmbuild /usr/bin/createrepo_c /usr/sbin/mailfront "
                 "/usr/sbin/nsd /usr/sbin/postfix /usr/share/publicsuffix /usr/lib/python3/dist-packages/bottle* "
                 "/usr/lib/python3/dist-packages/jinja2", check=True)
        yield root


def install(root, *arguments):
    done = root.run(["/checkout/packaging/install-needs", *arguments],
                    environment={"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    return done.returncode, done.stdout + done.stderr


def test_dnf_is_asked_by_el_s_names_and_each_that_can_be_had_is_installed(el9):
    status, said = install(el9, "--demo")
    asked = el9.read("/asked").split()
    assert asked == ["createrepo_c", "postfix", "publicsuffix-list", "python3-jinja2", "rpm-build"]
    assert status == 0, said
    for name in "python3-bottle", "nsd":
        assert f"dnf cannot install {name}\n" in said
    for name in "mailfront", "nsd", "bottle":
        assert re.search(rf"(?m)^not here: {name}\. Left out: .+", said), said


def test_without_root_and_without_a_package_manager_it_says_what_is_left_out(el9):
    el9.run("rm /usr/local/bin/dnf /usr/local/bin/rpm /usr/bin/rpm")
    status, said = install(el9, "--demo")
    assert status == 0
    assert "not here: rpm. Left out: the RPMs" in said and "installing" not in said


def test_the_rpm_module_is_the_distribution_s_then_py_installer_s_then_the_shim(el9):
    venv = "/venv"
    el9.write(f"{venv}/bin/python", "#!/bin/sh\n[ -e /venv/rpm ]\n", 0o755)
    el9.write(f"{venv}/bin/pip", """#!/bin/sh
for last; do :; done
echo "$last" >> /venv/tried
[ "$last" != rpm-py-installer ] || exit 1
[ "$last" != rpm ] || touch /venv/rpm
""", 0o755)
    el9.copy(CHECKOUT / "packaging/requirements-test.txt", venv)
    el9.copy(CHECKOUT / "packaging/requirements-test.txt", "/checkout/packaging")
    el9.run(f"mv {venv}/requirements-test.txt {venv}/installed; mkdir -p {venv}/axe-core {venv}/jinja2-2.11/jinja2; "
            f"touch {venv}/axe-core/axe.min.js")
    status, said = install(el9, venv)
    assert status == 0, said
    assert el9.read("/venv/tried").split() == ["rpm-py-installer", "rpm"]
    steps = [line for line in said.splitlines() if " rpm module" in line or line.startswith("trying ")]
    assert [step.split(" of ")[0] for step in steps] == [
        "/venv/bin/python has no rpm module", "trying rpm-py-installer", "trying rpm", "the rpm module is there"]


@pytest.mark.needs("root", "mounts")
def test_mounts_of_its_own_are_had_in_a_chroot_that_is_no_mount_point_and_seen_nowhere_else(tmp_path):
    inside = "mount -t tmpfs x /mnt && touch /mnt/inside && ls /mnt"
    script = f"""
        set -e
        cd "$1"
        mkdir usr proc dev tmp mnt packaging
        for folder in usr proc dev; do mount --rbind /$folder $folder; done
        for link in bin lib lib64 sbin; do [ ! -L /$link ] || cp -P /$link .; done
        mount --bind "$2" packaging
        mount --make-rshared / 2>/dev/null || true  # not in a chroot, where there is less to see
        ! chroot . unshare --mount true 2>/dev/null
        chroot . /packaging/apart sh -c '{inside}'
        ls mnt
    """
    apart = CHECKOUT / "packaging/apart"
    done = subprocess.run([apart, "sh", "-c", script, "sh", tmp_path, apart.parent], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "inside\n"), done.stderr


def test_every_line_of_the_table_says_all_seven_things():
    for need in needs.table().values():
        assert all(need), need
        assert need.stage in ("run", "demo", "test")
        assert need.found_by.split()[0] in ("file", "program", "python", "module", "perl", "right")


def test_an_unknown_need_is_a_fault_and_no_skip():
    with pytest.raises(LookupError, match="nosuch"):
        needs.lacking("nosuch")


def test_what_is_missing_is_found_missing(tmp_path):
    said = subprocess.run([CHECKOUT / "packaging/needs"], env={"PATH": "/usr/bin:/bin", "PYTHON": "/bin/false"},
                          capture_output=True, text=True, check=True).stdout
    assert "python3-rpm" in [line.split("\t")[0] for line in said.splitlines()]


def test_tests_are_skipped_by_needs_alone():
    """One mechanism: no test looks for a program, a user or a right by itself."""
    wrong = [str(path) for path in sorted((CHECKOUT / "tests").rglob("*.py"))
             if re.search(r"\bskipif\b|pytest\.skip\(|importorskip", path.read_text())
             and path.name not in ("needs.py", "test_needs.py")]
    assert wrong == []
