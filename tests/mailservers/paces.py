"""What every mail server's tests go through, written once: files, pending, dry run, withdraw, adopt.

A host is a sandbox on which the server is; `PLACES` says what must lie there for it.
"""

import json
import subprocess

from sandbox import ROOT

# What makes a host one with that server: paths and what lies there.
PLACES = {
    "qmail": {"/var/qmail/control/me": "sme.doecom.net\n"},
    "qpsmtpd": {
        **{f"/var/service/{program}/config/{name}": "" for name in ("rcpthosts", "smtproutes")
           for program in ("qpsmtpd", "sqpsmtpd", "uqpsmtpd")},
        "/var/service/qpsmtpd/config/goodrcptto": "",
    },
    "obtuse": {"/var/spool/smtpd/etc/smtpd_check_rules": ""},
    # No Postfix runs: its queue is nowhere.
    "postfix": {
        "/etc/postfix/main.cf": "compatibility_level = 3.6\nqueue_directory = /nonexistent\nrelayhost = [192.0.2.9]\n"
    },
}
RULES = {"smithnet.com": "DOMAIN", "mail.bar.org": "HOST"}
# A smart host, so that routes are wanted too.
CONFIGURATION = "DomainName=doecom.net\nSMTPSmartHost=smtp.provider.net\nSystemName=sme\n"
# Asks the library of the sandbox, as the commands do.
ASK = """
import json, sys
sys.path.insert(0, sys.argv[1] + "/usr/lib/mxbackup")
from mxbackup import mailservers
from mxbackup.mailfiles import outputs, wanted
from mxbackup.rules import record
db = record.open_configuration(readonly=True)
server = mailservers.server(sys.argv[2])
kinds = json.loads(sys.argv[3])
print(json.dumps({
    "files": [[file.path, file.entries(wanted.as_if(server, kinds, db))] for file in server.files if file.applies()],
    "whole": [file.path for file in server.files if file.whole],
    "now": [[file.path, file.entries(wanted.wanted(server, db))] for file in server.files if file.applies()],
    "states": [[state.path, state.reason] for state in outputs.states(db)],
}))
"""


def prepare(sandbox, server):
    """Make `sandbox` (planted) a host with `server`; returns it."""
    sandbox.write("/home/e-smith/db/configuration", CONFIGURATION)
    for path, text in PLACES[server].items():
        sandbox.write(path, text)
    return sandbox


def ask(host, server, kinds=None):
    """Return what the library says of `server` on `host`: `files` with `kinds` in force, `now`, `states`."""
    ran = subprocess.run(
        ["/usr/bin/python3", "-IS", "-c", ASK, host.path, server, json.dumps(kinds or RULES)],
        capture_output=True, text=True, env=host.environment,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def run(host, *arguments, status=0):
    """Run `mxbackup` with `arguments`; returns what it said."""
    library = host / "/usr/lib/mxbackup"
    program = [ROOT / "usr/sbin/mxbackup"]
    if not library.is_symlink():
        start = ("import sys; sys.path.insert(0, sys.argv.pop(1)); "
                 "from mxbackup import cli; sys.exit(cli.main(sys.argv))")
        program = ["/usr/bin/python3", "-IS", "-c", start, library]
    ran = subprocess.run([*program, *arguments], capture_output=True, text=True, env=host.environment)
    assert ran.returncode == status, ran.stdout + ran.stderr
    return ran.stdout


def add(host, *options):
    for name, kind in RULES.items():
        run(host, "add", name, f"--{kind.lower()}", *options)


def lines(host, path):
    return host.read(path).splitlines() if (host / path).exists() else []


def contents(host):
    """Return what every file of `host` holds, records of what was said and written aside."""
    return {
        path: path.read_bytes() for path in sorted(host.path.rglob("*"))
        if path.is_file() and not path.is_symlink() and "usr/lib/mxbackup" not in str(path)
        and "/var/cache/" not in str(path) and not path.name.endswith(".lock")
    }


def holds_its_entries(host, server):
    """The rules are in each file, and nothing is pending; a second event changes nothing, not even an inode."""
    add(host)
    told = ask(host, server)
    assert told["files"] and all(entries for _, entries in told["files"])
    for path, entries in told["files"]:
        assert set(entries) <= set(lines(host, path)), path
    assert [reason for _, reason in told["states"] if reason] == []
    before = {path: (host / path).stat().st_ino for path, _ in told["files"]}
    run(host, "enable")
    host.run("signal-event", "mxbackup-update")
    assert {path: (host / path).stat().st_ino for path, _ in told["files"]} == before


def tells_what_is_pending(host, server):
    """A change whose event is still to come is told for each file, and the event ends that."""
    run(host, "status", "--json", status=1)  # nothing was expanded yet
    host.run("signal-event", "mxbackup-update")
    add(host, "--no-update")
    told = dict(ask(host, server)["states"])
    assert all(told[path] for path, _ in ask(host, server)["files"])
    run(host, "status", status=1)
    host.run("signal-event", "mxbackup-update")
    run(host, "status")


def writes_nothing_in_a_dry_run(host, server):
    """A dry run names each file with the lines that it would get, and leaves every byte as it is."""
    host.run("signal-event", "mxbackup-update")
    before = contents(host)
    for path, entries in ask(host, server, {"smithnet.com": "DOMAIN"})["files"]:
        said = run(host, "add", "smithnet.com", "--domain", "--dry-run").splitlines()
        assert bool(entries) == (f"+++ {path}" in said)
        assert {"+" + entry for entry in entries} <= set(said)
    assert contents(host) == before


def gives_up_everything(host, server):
    """Disabled, removed or withdrawn, no entry is left in any file, and nothing is pending."""
    add(host)
    entries = ask(host, server)["files"]

    def there():
        return [path for path, ours in entries if set(ours) & set(lines(host, path))]

    assert there() == [path for path, _ in entries]
    run(host, "disable")
    assert there() == []
    run(host, "enable")
    assert there() == [path for path, _ in entries]
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from mxbackup.mailfiles import withdrawal; "
            "sys.exit(withdrawal.main())")
    ran = subprocess.run(["/usr/bin/python3", "-IS", "-c", code, host / "/usr/lib/mxbackup"],
                         capture_output=True, text=True, env=host.environment)
    assert (ran.returncode, there()) == (0, []), ran.stdout + ran.stderr
    host.run("signal-event", "mxbackup-update")
    run(host, "remove", *RULES)
    assert there() == []
    assert [reason for _, reason in ask(host, server)["states"] if reason] == []


def keeps_an_administrators_lines(host, server):
    """What stood in each file before us stands there with our entries, and after them."""
    told = ask(host, server)
    for path, _ in told["files"]:
        host.write(path, "# by hand\nhand.example\n")
    add(host)
    run(host, "remove", *RULES)
    for path, _ in told["files"]:
        # A list that is ours alone keeps nobody's lines; the engine keeps them beside it.
        kept = path + ".esmith-save" if path in told["whole"] else path
        assert "hand.example" in lines(host, kept), path


ALL = (holds_its_entries, tells_what_is_pending, writes_nothing_in_a_dry_run, gives_up_everything,
       keeps_an_administrators_lines)
