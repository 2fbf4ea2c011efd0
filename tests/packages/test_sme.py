"""The event conventions of SME Server 10 and 11, with a stand-in of ours for the newer manager and its actions."""

import hosts
import pytest
from hosts import spec_file
from packaged import once
from throwaway_root import build_package

ACTIONS = "/etc/e-smith/events/actions"
DB = "/home/e-smith/db"
# Each says that it ran, and keeps what the real one would keep of a panel.
STAND_INS = {
    f"{ACTIONS}/navigation2-conf": f"""#!/bin/sh
echo navigation2 >> /var/cache/smanager
mkdir -p {DB}/navigation2
for language in en fr; do echo 'mxbackup=panel|Heading|System' > {DB}/navigation2/navigation.$language; done
""",
    f"{ACTIONS}/routes2-conf": f"""#!/bin/sh
echo routes2 >> /var/cache/smanager
printf 'mxbackup+mxbackup=route\\nmxbackup+mxbackuppost=route\\nother+x=route\\n' > {DB}/routes
""",
    f"{ACTIONS}/locales2-conf": """#!/bin/sh
echo locales2 >> /var/cache/smanager
for language in en fr; do
    touch /usr/share/smanager/lib/SrvMngr/I18N/Modules/Mxbackup/$language.pm
done
""",
    f"{ACTIONS}/adjust-services": """#!/bin/sh
cd "/etc/e-smith/events/$1/services2adjust" && for service in *; do
    echo "$service $(readlink $service)" >> /var/cache/adjusted
done
""",
    "/sbin/e-smith/db": f"""#!/bin/sh
[ "$2" = delete ] || exit 1
grep -v "^$3=" {DB}/"$1" > {DB}/"$1".new
mv {DB}/"$1".new {DB}/"$1"
""",
    "/etc/e-smith/events/smanager-refresh/S80refresh": "#!/bin/sh\necho refresh >> /var/cache/smanager\n",
}


@pytest.fixture
def sme_11(perl_host, tmp_path_factory):
    """A host with the Perl engine's stand-in and that of the newer manager; email-update writes main.cf."""
    def make(folder):
        files = [spec_file(path, text, "0755") for path, text in STAND_INS.items()]
        files.append(spec_file("/etc/e-smith/events/email-update/templates2expand/etc/postfix/main.cf", ""))
        places = [*STAND_INS, "/etc/e-smith/events/email-update/templates2expand/etc/postfix/main.cf"]
        build_package(folder, "smeserver-manager", "11.0.0", "AutoReqProv: no\n%description\nA manager.\n%install\n"
                      + "".join(files) + "%files\n" + "".join(f"{path}\n" for path in places))
    folder = once(tmp_path_factory, "smeserver-manager", make)
    perl_host.root.rpm("-U", folder / "smeserver-manager-11.0.0-1.noarch.rpm")
    return perl_host


@pytest.mark.parametrize("variant", ["utf8", "latin1"])
def test_install_asks_for_no_reboot_and_erase_leaves_nothing_in_the_managers(sme_11, built, variant):
    root = sme_11.root
    name = "smeserver-mxbackup-utf8" if variant == "utf8" else "smeserver-mxbackup"
    said = root.rpm("-Uvh", getattr(built, variant)).stdout
    assert "did not work" not in said and "rebuilt" not in said
    # What the package managers look for.
    assert root.exists(f"/etc/e-smith/events/{name}-update")
    assert root.read("/var/cache/smanager").split() == ["locales2", "navigation2", "routes2"]
    adjusted = dict(line.split() for line in root.read("/var/cache/adjusted").splitlines())
    assert adjusted == {"qpsmtpd": "sighup", "sqpsmtpd": "sighup", "uqpsmtpd": "sighup", "smanager": "restart"}
    assert sme_11.lines() >= hosts.ENTRIES
    lexicon = "/usr/share/smanager/lib/SrvMngr/I18N/Modules/Mxbackup/mxbackup_fr.lex"
    assert "'mxb_MENU' => 'MX de secours'," in root.read(lexicon) and "opération" in root.read(lexicon)
    assert root.read("/etc/backup-data.d/smeserver-mxbackup.include") == "/var/lib/mxbackup\n"
    link = "/etc/e-smith/events/email-update/S06mxbackup-expand"
    assert root.run(["readlink", link]).stdout == "../actions/mxbackup-expand\n"

    root.rpm("-e", name)
    assert root.read(f"{DB}/routes") == "other+x=route\n"
    for language in ("en", "fr"):
        assert root.read(f"{DB}/navigation2/navigation.{language}") == ""
    assert root.read("/var/cache/smanager").split()[-1] == "refresh"
    left = root.run("find / -xdev -path /proc -prune -o -iname '*mxbackup*' -print 2>/dev/null").stdout.split()
    assert [path for path in left if path.startswith(("/etc/e-smith", "/usr/share/smanager"))] == []
    assert sme_11.lines() == sme_11.own
