"""The contrib's own: a hundred thousand rules into the record, and into every mail file anew."""

import pathlib
import random
import shutil

from measure import Case

ROOT = pathlib.Path(__file__).resolve().parent.parent / "root"
COUNT = 100000
OUTPUTS = (
    "var/qmail/control/rcpthosts", "var/qmail/control/smtproutes", "var/spool/smtpd/etc/smtpd_check_rules",
)
# It is written only where it is already.
GOODRCPTTO = "var/service/qpsmtpd/config/goodrcptto"
SECOND_LIST = ("var/qmail/control/morercpthosts", "var/qmail/control/morercpthosts.cdb")


def _host(folder):
    """Plant a host with every mail front end below `folder` (pathlib.Path)."""
    shutil.copytree(ROOT / "etc", folder / "etc", symlinks=True)
    (folder / "usr/lib").mkdir(parents=True)
    (folder / "usr/lib/mxbackup").symlink_to(ROOT / "usr/lib/mxbackup")
    for path in (*OUTPUTS, GOODRCPTTO):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    (folder / "home/e-smith/db").mkdir(parents=True)


def _lines():
    """Yield a line for each rule of a list to be added."""
    dice = random.Random(4)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    for _ in range(COUNT):
        labels = ("".join(dice.choices(letters, k=7)), "".join(dice.choices(letters, k=5)),
                  dice.choice(("com", "org", "co.uk")))
        yield "{} {}\n".format(".".join(labels), dice.choice(("HOST", "DOMAIN")))


def cases(folder):
    _host(folder)
    configuration = folder / "home/e-smith/db/configuration"
    rules = folder / "rules"
    rules.write_text("".join(_lines()))
    environment = {"ESMITH_ROOT": str(folder)}
    start = "DomainName=doecom.net\nSystemName=sme\nSMTPSmartHost=smtp.provider.net\n"

    def add(*options):
        def argv(_):
            configuration.write_text(start)
            remove(OUTPUTS)
            return [ROOT / "usr/sbin/mxbackup", "add", *options, "--from-file", rules]
        return argv

    def remove(paths):
        for path in paths:
            if (folder / path).exists():
                (folder / path).unlink()

    # Three seconds at most, on a machine whose Python starts in ten milliseconds.
    yield Case(f"mxbackup add, {COUNT} rules, and its event", add(), 300, environment, 5)
    yield Case("mxbackup add --no-update, the same", add("--no-update"), None, environment, 5)

    def event(*gone):
        def argv(_):
            remove(gone)
            return [ROOT / "sbin/e-smith/signal-event", "mxbackup-update"]
        return argv

    yield Case(f"event, {COUNT} rules, every file new", event(*OUTPUTS), None, environment, 5)
    second_list_too = event(*OUTPUTS, *SECOND_LIST)
    yield Case("event, the same, qmail's second list new", second_list_too, None, environment, 5)
    yield Case(f"event, {COUNT} rules, nothing changed", event(), 80, environment, 10)
    yield Case(f"mxbackup list, {COUNT} rules", [ROOT / "usr/sbin/mxbackup", "list"], None, environment, 5)
    disable = [ROOT / "usr/sbin/mxbackup", "disable", "--dry-run"]
    yield Case(f"mxbackup disable --dry-run, {COUNT} rules", disable, None, environment, 5)

    bad = [f"_{number}.org" for number in range(COUNT // 5)]
    good = [f"d{number}.example.org" for number in range(COUNT // 5)]
    rules.write_text("\n".join(bad + good))
    record = "mxbackup=service|name|{}|status|enabled\n".format(",".join(name + ",1" for name in bad + good))

    def take_out(_):
        configuration.write_text(start + record)
        return [ROOT / "usr/sbin/mxbackup", "remove", "--no-update", "--yes", "--from-file", rules]

    yield Case(f"mxbackup remove, half of {len(bad) * 2} no rules", take_out, None, environment, 5)
