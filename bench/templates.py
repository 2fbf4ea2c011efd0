"""expand-template with two fragments and the event mxbackup-update, with few rules and with 100,000.

Each run finds an output that is not what it shall be, so that it is written.
"""

import pathlib
import shutil

from measure import Case

ROOT = pathlib.Path(__file__).resolve().parent.parent / "root"
OUTPUT = "/var/qmail/control/rcpthosts"
CONFIGURATION = "DomainName=doecom.net\nSystemName=sme\nmxbackup=service|name|%s|status|enabled\n"


def cases(folder):
    shutil.copytree(ROOT / "etc", folder / "etc", symlinks=True)
    (folder / "usr/lib").mkdir(parents=True)
    (folder / "usr/lib/mxbackup").symlink_to(ROOT / "usr/lib/mxbackup")
    (folder / "home/e-smith/db").mkdir(parents=True)
    output = folder / OUTPUT.lstrip("/")
    output.parent.mkdir(parents=True)
    environment = {"ESMITH_ROOT": str(folder)}
    commands = ROOT / "sbin/e-smith"

    def afresh(*argv):
        def prepare(number):
            output.unlink(missing_ok=True)
            return argv

        return prepare

    expand = commands / "expand-template", OUTPUT
    signal = commands / "signal-event", "mxbackup-update"
    many = ",".join(f"d{n:05}.example{n % 97}.org,{n % 2}" for n in range(100_000))
    for title, names, expand_limit, signal_limit, rounds in (
        ("two rules", "smithnet.com,1,mail.bar.org,0", 6, 10, 30),
        ("100,000 rules", many, 30, 80, 9),
    ):
        (folder / "home/e-smith/db/configuration").write_text(CONFIGURATION % names)
        yield Case(
            f"expand-template, two fragments, {title}", afresh(*expand), expand_limit, environment, rounds
        )
        yield Case(
            f"signal-event mxbackup-update, {title}", afresh(*signal), signal_limit, environment, rounds
        )
    (folder / "home/e-smith/db/configuration").write_text(CONFIGURATION % "smithnet.com,1")

    def without_cache(number):
        shutil.rmtree(folder / "var/cache/e-smith-python", ignore_errors=True)
        return expand

    yield Case("expand-template, nothing in the cache", without_cache, None, environment, 20)
    fragment = folder / "etc/e-smith/templates" / OUTPUT.lstrip("/") / "30filter"
    fragment.write_text("{# jinja2 #}\n{{ SystemName|upper }}\n")
    yield Case(
        "expand-template, a fragment that takes all of Jinja2", afresh(*expand), None, environment, 20
    )
