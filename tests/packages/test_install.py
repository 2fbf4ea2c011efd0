"""The packages on whole hosts, with the real rpm and its dependency solving, in a throwaway root."""

import re

import needs
import pytest
from hosts import CONFIGURATION, ENTRIES, GOODRCPTTO, RCPTHOSTS, RULES, SMTPROUTES, spec_file
from throwaway_root import build_package

ROUTES = {"smithnet.com:", ".smithnet.com:", "mail.bar.org:"}
RECIPIENTS = {"@smithnet.com", "@mail.bar.org"}
EVENT = b"Processing event: mxbackup-update"
CONTRIBS = ("smeserver-mxbackup", "smeserver-mxbackup-utf8")


def installed(root):
    """The names of our packages that are installed, sorted."""
    names = root.rpm("-qa", "--qf", "%{NAME} ").stdout.split()
    return sorted(name for name in names if name in (*CONTRIBS, "e-smith-python"))


def assert_served(host):
    """Every mail file has our entries, each once, and still what was the host's own."""
    text = [line for line in host.root.read(RCPTHOSTS).splitlines() if line and not line.startswith("#")]
    assert len(text) == len(set(text))
    assert set(text) == host.own | ENTRIES
    assert host.lines(SMTPROUTES) == {":relay.provider.example"} | ROUTES
    assert host.lines(GOODRCPTTO) == {"@doecom.net"} | RECIPIENTS


def assert_withdrawn(host):
    """No mail file has an entry of ours, each is still there, and the rules are still known."""
    assert host.lines() == host.own
    assert host.lines(SMTPROUTES) == {":relay.provider.example"}
    assert host.lines(GOODRCPTTO) == {"@doecom.net"}
    for path in (RCPTHOSTS, SMTPROUTES, GOODRCPTTO):
        assert "MX Backup" not in host.root.read(path)
        assert not re.search("/sbin/|expand-template|mxbackup ", host.root.read(path)), "a command that may be gone"
    assert host.record() == f"mxbackup=service|name|{RULES}|status|enabled"


def assert_nothing_left(root):
    left = root.run("find /usr/lib/mxbackup /usr/sbin/mxbackup /etc/e-smith/events/mxbackup-update "
                    "/var/cache/e-smith-python /var/lib/e-smith-python").stdout
    assert left == ""


def assert_kept(watch, host):
    """At every moment there was an rcpthosts, and it had the host's own domains."""
    assert watch.missing == 0
    for content in watch.contents:
        assert host.own <= set(content.splitlines()), content


@pytest.fixture(params=["Perl engine", "our engine"])
def host(request):
    return request.getfixturevalue("perl_host" if request.param == "Perl engine" else "python_host")


def packages(host, built, variant="utf8"):
    return [getattr(built, variant)] if host.perl else [getattr(built, variant), built.engine]


def change(host, *arguments, events=1):
    """Run rpm while watching rcpthosts; exactly `events` update events may be seen. Returns its output."""
    before = host.updates()
    with host.watch() as watch:
        done = host.root.rpm(*arguments)
    assert_kept(watch, host)
    assert host.updates() - before == events
    return done.stdout + done.stderr


def test_install_and_erase(host, built):
    said = change(host, "-Uvh", *packages(host, built))
    assert_served(host)
    assert ("left panel cache" in said) == host.perl
    for words in ("Setting default values", "Regenerating the", "Installation finished."):
        assert words in said
    assert "did not work" not in said and "warning" not in said and "error" not in said
    assert host.root.rpm("-V", *installed(host.root)).stdout == ""

    said = change(host, "-e", "smeserver-mxbackup-utf8", *([] if host.perl else ["e-smith-python"]), events=0)
    assert_withdrawn(host)
    assert_nothing_left(host.root)
    assert "did not work" not in said and "warning" not in said and "error" not in said


def test_erase_in_the_other_order_and_of_the_contrib_alone(python_host, built):
    change(python_host, "-Uvh", *packages(python_host, built))
    change(python_host, "-e", "e-smith-python", "smeserver-mxbackup-utf8", events=0)
    assert_withdrawn(python_host)
    assert_nothing_left(python_host.root)
    change(python_host, "-Uvh", *packages(python_host, built))
    assert_served(python_host)
    refused = python_host.root.rpm("-e", "e-smith-python", check=False)
    assert refused.returncode != 0 and "e-smith-lib is needed" in refused.stderr
    change(python_host, "-e", "smeserver-mxbackup-utf8", events=0)
    assert_withdrawn(python_host)
    assert installed(python_host.root) == ["e-smith-python"]
    status = python_host.root.run(["/sbin/e-smith/config", "getprop", "mxbackup", "status"])
    assert status.stdout == "enabled\n"
    python_host.root.run(["/sbin/e-smith/expand-template", RCPTHOSTS], check=True)
    assert_withdrawn(python_host)
    change(python_host, "-e", "e-smith-python", events=0)
    assert_nothing_left(python_host.root)


def test_the_engine_alone(python_host, built):
    root = python_host.root
    change(python_host, "-Uvh", built.engine, events=0)
    assert python_host.lines() == python_host.own
    root.run(["/sbin/e-smith/expand-template", RCPTHOSTS], check=True)
    assert python_host.lines() == python_host.own
    assert root.run(["/sbin/e-smith/db", "domains", "keys"]).stdout == "doecom.net\n"
    assert root.rpm("-V", "e-smith-python").stdout == ""
    change(python_host, "-e", "e-smith-python", events=0)
    assert python_host.lines() == python_host.own
    assert_nothing_left(root)


def test_erase_together_with_the_perl_engine(perl_host, built):
    change(perl_host, "-Uvh", built.utf8)
    change(perl_host, "-e", "e-smith-lib", "smeserver-mxbackup-utf8", events=0)
    assert_withdrawn(perl_host)


def test_neither_without_an_engine_nor_beside_another_one(root, perl_host, around, built):
    refused = root.rpm("-Uvh", built.utf8, built.engine, check=False)
    assert "conflicts with" in refused.stderr and refused.returncode != 0
    root.rpm("-e", "e-smith-lib")
    refused = root.rpm("-Uvh", built.utf8, check=False)
    assert refused.returncode != 0 and "e-smith-lib is needed" in refused.stderr
    root.rpm("-Uvh", built.utf8, built.engine)
    refused = root.rpm("-Uvh", around / "e-smith-lib-11.0.0-1.noarch.rpm", check=False)
    assert refused.returncode != 0 and "conflicts with" in refused.stderr


def test_swap_both_ways(host, built):
    change(host, "-Uvh", *packages(host, built))
    for variant, name, charset in (("latin1", "smeserver-mxbackup", "ISO-8859-1"),
                                   ("utf8", "smeserver-mxbackup-utf8", "UTF-8")):
        said = change(host, "-Uvh", getattr(built, variant))
        assert [found for found in installed(host.root) if found in CONTRIBS] == [name]
        assert host.root.read("/usr/lib/mxbackup/charset") == f"{charset}\n"
        assert "Taking" not in said
        assert_served(host)
    assert host.record() == f"mxbackup=service|name|{RULES}|status|enabled"


def test_the_panel_s_password_outlives_a_swap_and_not_an_erase(python_host, built):
    root = python_host.root
    kept = "/var/lib/mxbackup/replaced/an/old/list"
    change(python_host, "-Uvh", *packages(python_host, built))
    for path in ("/var/lib/mxbackup/panel.password", "/var/lib/mxbackup/verdicts.json",
                 "/var/lib/mxbackup/verdicts.json.lock", kept):
        root.write(path, "x\n", 0o600)
    change(python_host, "-Uvh", built.latin1)
    assert root.read("/var/lib/mxbackup/panel.password") == "x\n"
    change(python_host, "-e", "smeserver-mxbackup", events=0)
    assert root.run("find /var/lib/mxbackup -type f").stdout == f"{kept}\n"


def test_two_variants_are_never_on_one_host(host, built):
    # Of two in one command rpm takes the first, for it obsoletes the second.
    change(host, "-Uvh", *packages(host, built), built.latin1)
    assert "smeserver-mxbackup" not in installed(host.root)
    assert_served(host)
    refused = host.root.rpm("-ivh", built.latin1, check=False)
    assert refused.returncode != 0 and "conflicts with" in refused.stderr
    assert "smeserver-mxbackup" not in installed(host.root)


def test_reinstall(host, built):
    change(host, "-Uvh", *packages(host, built))
    for arguments in (["-Uvh", "--replacepkgs"], ["--reinstall"]):
        change(host, *arguments, built.utf8)
        assert_served(host)
    change(host, "-Uvh", "--replacepkgs", *packages(host, built))
    assert_served(host)


@pytest.mark.parametrize("old", ["smeserver-mxbackup-0.1.0-02", "smeserver-mxbackup-0.2-2",
                                 "smeserver-mxbackup-utf8-0.1.0-03"])
@pytest.mark.parametrize("variant", ["utf8", "latin1"])
def test_upgrade_from_the_perl_contrib(perl_host, around, built, old, variant):
    root, host = perl_host.root, perl_host
    # A record as the old panel could leave it: upper case, a domain twice (the last counts), an odd end.
    root.write(CONFIGURATION, root.read(CONFIGURATION).replace(
        RULES, "SmithNet.com,0,mail.bar.org,0,smithnet.com,1"))
    root.rpm("-Uvh", around / f"{old}.noarch.rpm")
    assert root.exists("/etc/e-smith/web/common/GreenLight.jpg")
    # Left over by a still older version; the administrator's own file of that name is not ours to remove.
    root.write(f"/etc/e-smith/templates{RCPTHOSTS}/30mxbackup", "# mxbackup of long ago\n")
    root.write(f"/etc/e-smith/templates-custom{SMTPROUTES}/20mxbackup", "# mxbackup of the administrator\n")
    change(host, "-Uvh", getattr(built, variant))
    assert len(installed(root)) == 1
    for light in ("Green", "Red"):
        assert not root.exists(f"/etc/e-smith/web/common/{light}Light.jpg")
        assert not root.exists(f"/etc/e-smith/{light}Light.jpg")
    for name in ("20mxbackup", "30mxbackup", "50MXBackup"):
        assert root.run(["find", "/etc/e-smith/templates", "-name", name]).stdout == ""
    assert root.exists(f"/etc/e-smith/templates-custom{SMTPROUTES}/20mxbackup")
    assert set(host.lines()) == host.own | ENTRIES
    assert host.lines(SMTPROUTES) == {":relay.provider.example"} | ROUTES
    assert host.lines(GOODRCPTTO) == {"@doecom.net"} | RECIPIENTS
    # And not back again.
    for name in ("smeserver-mxbackup-0.2-2", "smeserver-mxbackup-utf8-0.1.0-03"):
        refused = root.rpm("-Uvh", around / f"{name}.noarch.rpm", check=False)
        assert refused.returncode != 0
    assert set(host.lines()) == host.own | ENTRIES


def test_upgrade_and_no_way_back_by_accident(host, built, newer):
    change(host, "-Uvh", *packages(host, built))
    change(host, "-Uvh", *packages(host, newer))
    assert_served(host)
    for variant in ("utf8", "latin1"):
        refused = host.root.rpm("-Uvh", *packages(host, built, variant), check=False)
        assert refused.returncode != 0
    assert_served(host)
    # Asked for by name it works, and is safe.
    change(host, "-Uvh", "--oldpackage", *packages(host, built))
    assert_served(host)


def test_engine_and_contrib_stay_in_step(python_host, built, newer):
    change(python_host, "-Uvh", *packages(python_host, built))
    for package in (newer.utf8, newer.engine, newer.latin1):
        refused = python_host.root.rpm("-Uvh", package, check=False)
        assert refused.returncode != 0 and "conflicts with" in refused.stderr
    change(python_host, "-Uvh", newer.latin1, newer.engine)
    assert_served(python_host)


def test_a_disabled_contrib_is_installed_without_an_entry(host, built):
    host.root.write(CONFIGURATION, host.root.read(CONFIGURATION).replace("enabled", "disabled"))
    change(host, "-Uvh", *packages(host, built))
    assert host.lines() == host.own
    assert host.record().endswith("|status|disabled")


def test_a_host_without_a_record_gets_the_default_one(host, built):
    text = host.root.read(CONFIGURATION)
    host.root.write(CONFIGURATION, text[:text.index("mxbackup=")])
    change(host, "-Uvh", *packages(host, built))
    assert host.record().startswith("mxbackup=service|") and "smithnet" not in host.record()
    assert host.lines() == host.own


def test_a_half_configured_host(root, around, built):
    # No database, no mail server, no folder of either.
    said = root.rpm("-Uvh", built.utf8, built.engine)
    assert "Installation finished." in said.stdout + said.stderr
    assert not root.exists(RCPTHOSTS) and not root.exists("/var/spool/smtpd")
    root.rpm("-e", "smeserver-mxbackup-utf8", "e-smith-python")
    assert not root.exists(RCPTHOSTS)
    assert_nothing_left(root)


def test_without_bottle_and_idna_it_installs_and_says_what_does_not_work(python_host, built):
    root = python_host.root
    root.run("rm -rf $(find /usr/lib/python3 -name 'bottle*' -o -name 'idna*')", check=True)
    said = root.rpm("-Uvh", *packages(python_host, built)).stdout
    assert "python3-bottle is not installed" in said and "the panel does not work" in said
    assert "python3-idna is not installed" in said and "not ASCII are refused" in said
    assert "Installation finished." in said
    assert_served(python_host)
    shown = root.run(["/etc/e-smith/web/functions/mxbackup"], environment={
        "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET", "REMOTE_USER": "admin"})
    assert shown.returncode == 1 and "python3-bottle" in shown.stderr and "Traceback" not in shown.stderr
    refused = root.run(["mxbackup", "add", "b\u00fccher.example"])
    assert refused.returncode == 2 and "python3-idna" in refused.stderr


def test_a_broken_custom_fragment(host, built):
    before = host.root.read(RCPTHOSTS)
    host.root.write(f"/etc/e-smith/templates-custom{RCPTHOSTS}/50mine", "{ this is no Perl at all ( }\n")
    said = change(host, "-Uvh", *packages(host, built))
    assert "50mine" in said and RCPTHOSTS in said
    assert host.root.read(RCPTHOSTS) == before
    # The others are written; with the fragment mended, so is this one.
    assert host.lines(SMTPROUTES) == {":relay.provider.example"} | ROUTES
    host.root.run(f"rm /etc/e-smith/templates-custom{RCPTHOSTS}/50mine", check=True)
    host.root.run(["/sbin/e-smith/signal-event", "mxbackup-update"], check=True)
    assert_served(host)


def test_an_erase_takes_the_entries_out_of_a_file_that_cannot_be_expanded(host, built):
    change(host, "-Uvh", *packages(host, built))
    host.root.write(f"/etc/e-smith/templates-custom{RCPTHOSTS}/50mine", "{ this is no Perl at all ( }\n")
    said = change(host, "-e", "smeserver-mxbackup-utf8", events=0)
    assert "50mine" in said
    assert_withdrawn(host)


def test_an_erase_after_the_engine_s_memory_was_lost(python_host, built):
    change(python_host, "-Uvh", *packages(python_host, built))
    python_host.root.run("rm -rf /var/lib/e-smith-python /etc/e-smith/templates-custom", check=True)
    change(python_host, "-e", "smeserver-mxbackup-utf8", events=0)
    assert_withdrawn(python_host)
    python_host.root.run(["/sbin/e-smith/expand-template", RCPTHOSTS], check=True)
    assert_withdrawn(python_host)


def test_an_erase_after_the_engine_was_forced_out(python_host, built):
    change(python_host, "-Uvh", *packages(python_host, built))
    # With it the template looks whole, and has nothing of the host's own any more.
    python_host.root.write(f"/etc/e-smith/templates-custom{RCPTHOSTS}/template-begin", "# mine\n")
    change(python_host, "-e", "--nodeps", "e-smith-python", events=0)
    change(python_host, "-e", "smeserver-mxbackup-utf8", events=0)
    assert_withdrawn(python_host)


def test_what_was_added_by_hand_between_an_erase_and_a_next_installation_is_kept(python_host, built):
    python_host.root.write(RCPTHOSTS, "# {mine}\n" + python_host.root.read(RCPTHOSTS))
    change(python_host, "-Uvh", *packages(python_host, built))
    assert python_host.root.exists(f"/etc/e-smith/templates-custom{RCPTHOSTS}/80adopted")
    change(python_host, "-e", "smeserver-mxbackup-utf8", "e-smith-python", events=0)
    assert python_host.root.run("find /etc/e-smith").stdout == ""
    # One of them is what a rule of ours gives, too.
    python_host.root.write(RCPTHOSTS, python_host.root.read(RCPTHOSTS) + "later.example\nmail.bar.org\n")
    change(python_host, "-Uvh", *packages(python_host, built))
    python_host.own |= {"later.example", "mail.bar.org"}
    assert python_host.lines() == python_host.own | ENTRIES
    change(python_host, "-e", "smeserver-mxbackup-utf8", events=0)
    assert_withdrawn(python_host)


def test_what_the_calling_shell_set_for_a_sandbox_does_not_reach_the_host(host, built):
    files = [host.root.copy(package) for package in packages(host, built)]
    host.root.run(["rpm", "-U", *files], check=True, environment={
        "ESMITH_ROOT": "/tmp/sandbox", "DBPATH": "/tmp", "MXBACKUP_WITHHOLD": "1", "PYTHONPATH": "/tmp"})
    assert_served(host)
    assert not host.root.exists("/tmp/sandbox")


def test_the_how_to_s_second_method_becomes_rules(perl_host, built):
    custom = f"/etc/e-smith/templates-custom{RCPTHOSTS}/20QandD"
    perl_host.root.write(custom, "# Quick and Dirty\nfriend.example\n.friend.example\nlone.example\n")
    change(perl_host, "-Uvh", built.utf8)
    assert not perl_host.root.exists(custom)
    more = {"friend.example", ".friend.example", "lone.example"}
    assert perl_host.lines() == perl_host.own | ENTRIES | more
    assert "friend.example,1" in perl_host.record() and "lone.example,0" in perl_host.record()


@pytest.mark.parametrize("arguments", [[], ["--ignoresize"]], ids=["seen before", "seen while unpacking"])
def test_a_full_disk(host, built, newer, arguments):
    root = host.root
    before = root.read(RCPTHOSTS)
    root.run("mkdir -p /usr/lib/mxbackup && mount -t tmpfs -o size=64k full /usr/lib/mxbackup", check=True)
    with host.watch() as watch:
        refused = root.rpm("-Uvh", *arguments, *packages(host, built), check=False)
    assert refused.returncode != 0 and installed(root) == []
    assert watch.missing == 0 and root.read(RCPTHOSTS) == before
    root.run("umount /usr/lib/mxbackup && rmdir /usr/lib/mxbackup", check=True)
    change(host, "-Uvh", *packages(host, built))
    assert_served(host)

    # An upgrade or a swap that finds no room leaves the version that is there.
    root.run("cp -a /usr/lib/mxbackup /root/library "
             "&& mount -t tmpfs -o mode=755,size=$(($(du -sk /root/library | cut -f1) + 64))k "
             "full /usr/lib/mxbackup && cp -a /root/library/. /usr/lib/mxbackup/", check=True)
    for upgrade in (packages(host, newer), [built.latin1]):
        with host.watch() as watch:
            refused = root.rpm("-Uvh", *arguments, *upgrade, check=False)
        assert refused.returncode != 0 and watch.missing == 0
        assert root.rpm("-q", "--qf", "%{VERSION}", "smeserver-mxbackup-utf8").stdout == built.version
        assert root.rpm("-V", "smeserver-mxbackup-utf8", check=False).stdout == ""
        assert_served(host)


def test_a_mail_server_s_disk_that_is_full(host, built):
    root = host.root
    before = root.read(RCPTHOSTS)
    root.run("cp -a /var/qmail/control /root/control && mount -t tmpfs -o size=64k,nr_inodes=99 full "
             "/var/qmail/control && cp /root/control/* /var/qmail/control/ "
             "&& { dd if=/dev/zero of=/var/qmail/control/filler bs=1k 2>/dev/null; true; }", check=True)
    said = change(host, "-Uvh", *packages(host, built))
    assert root.read(RCPTHOSTS) == before
    assert RCPTHOSTS in said
    root.run("rm /var/qmail/control/filler", check=True)
    root.run(["/sbin/e-smith/signal-event", "mxbackup-update"], check=True)
    assert_served(host)


def test_a_foreign_package_that_owns_an_old_name_keeps_it(perl_host, built, tmp_path):
    light = "/etc/e-smith/web/common/GreenLight.jpg"
    other = build_package(tmp_path, "other-lights", "1", "%description\nOf another contrib.\n%install\n"
                          + spec_file(light, "mine\n") + f"%files\n{light}\n")
    perl_host.root.rpm("-Uvh", other)
    change(perl_host, "-Uvh", built.utf8)
    assert perl_host.root.read(light) == "mine\n"


def second_list(root):
    """The names in morercpthosts.cdb, as tinycdb reads them; none where it is not there."""
    needs.require("tinycdb")
    listed = root.run(["cdb", "-d", "-m", "/var/qmail/control/morercpthosts.cdb"]).stdout
    return {line.split()[0] for line in listed.splitlines()}


def test_rules_beyond_the_first_fifty_leave_the_second_list_too(host, built):
    names = [f"friend{number:03}.example" for number in range(80)]
    host.root.write(CONFIGURATION, host.root.read(CONFIGURATION).replace(
        RULES, ",".join(f"{name},0" for name in names)))
    change(host, "-Uvh", *packages(host, built))
    assert len(second_list(host.root)) == 30
    assert host.lines() | second_list(host.root) == host.own | set(names)
    change(host, "-Uvh", built.latin1)
    assert host.lines() | second_list(host.root) == host.own | set(names)
    change(host, "-e", "smeserver-mxbackup", events=0)
    assert host.lines() == host.own
    assert second_list(host.root) == set()


def test_units_are_left_to_systemd_as_it_is_told(python_host, built):
    root = python_host.root
    root.run("mkdir -p /run/systemd/system", check=True)
    root.write("/usr/bin/systemctl.ours", "#!/bin/sh\necho \"$*\" >> /var/log/systemctl\n", 0o755)
    root.run("mv /usr/bin/systemctl.ours /usr/bin/systemctl && touch /var/log/systemctl", check=True)

    def told():
        said = root.read("/var/log/systemctl").splitlines()
        root.write("/var/log/systemctl", "")
        return [line for line in said if "mxbackup" in line or line == "daemon-reload"]

    held = root.run(["rpm", "-qpl", root.copy(built.utf8)]).stdout.split()
    units = [path.rsplit("/", 1)[1] for path in held if path.startswith("/usr/lib/systemd/system/")]
    assert units
    change(python_host, "-Uvh", *packages(python_host, built))
    installing = told()
    # Nothing of ours is switched on by its installation.
    assert installing[0] == "daemon-reload" and not [line for line in installing if "enable" in line]
    change(python_host, "-Uvh", built.latin1)
    assert not [line for line in told() if "disable" in line]
    change(python_host, "-e", "smeserver-mxbackup", events=0)
    erasing = told()
    assert [line for line in erasing if "disable --now" in line and all(unit in line for unit in units)]
    assert erasing[-1] == "daemon-reload"


def test_a_transaction_that_is_killed_leaves_the_mail_file_and_can_be_done_again(host, built):
    root = host.root

    def killed(moments, *arguments):
        for moment in moments:
            with host.watch() as watch:
                root.run(["timeout", "-s", "KILL", str(moment), "rpm", *arguments])
            assert watch.missing == 0
            assert host.lines() in (host.own, host.own | ENTRIES)

    files = [root.copy(package) for package in packages(host, built)]
    killed((0.02, 0.05, 0.1, 0.2), "-U", "--replacepkgs", *files)
    root.rpm("-Uvh", "--replacepkgs", *files)
    assert_served(host)
    killed((0.02, 0.05, 0.1, 0.2), "-U", root.copy(built.latin1))
    root.rpm("-Uvh", "--replacepkgs", built.latin1)
    assert [name for name in installed(root) if name in CONTRIBS] == ["smeserver-mxbackup"]
    assert root.run("ls /usr/lib/mxbackup/variant").stdout == "smeserver-mxbackup\n"
    assert_served(host)


def test_what_a_killed_rpm_leaves_among_the_fragments_is_removed(host, built):
    folder = f"/etc/e-smith/templates{RCPTHOSTS}"
    litter = f"cp '{folder}/20QandD' '{folder}/20QandD;6b02cad6'"
    change(host, "-Uvh", *packages(host, built))
    again, gone = ["-Uvh", "--replacepkgs", built.utf8], ["-e", "smeserver-mxbackup-utf8"]
    for arguments, events in ((again, 1), (gone, 0)):
        host.root.run(litter, check=True)
        change(host, *arguments, events=events)
        assert "20QandD;" not in host.root.run(["ls", folder]).stdout
        assert_served(host) if events else assert_withdrawn(host)


def test_another_user_cannot_make_the_scripts_do_his_work(host, built):
    """Nothing that the scripts run or remove is in a folder that others may write to."""
    change(host, "-Uvh", *packages(host, built))
    loose = host.root.run("find /usr/lib/mxbackup /etc/e-smith /sbin/e-smith/ /var/lib/e-smith-python "
                          "/var/cache/e-smith-python -perm /022 ! -type l").stdout
    assert loose == ""
    change(host, "-e", "smeserver-mxbackup-utf8", events=0)
