"""An SME Server 11's queue: the real Postfix, whose main.cf the Perl engine's stand-in writes.

nsd is the name server, in a network namespace; mailfront is the smart host, and the primary that nsd names. The
template of main.cf is ours: nothing of the real ones is known.
"""

import contextlib
import subprocess
import sys
import time

import mailfront
import perlhost
import postfix
import pytest
from sandbox import CHECKOUT, Sandbox
from twoengines import perl

sys.path.append(str(CHECKOUT / "tests/check"))
import world  # noqa: E402

pytestmark = pytest.mark.needs(*postfix.NEEDS, "perl", "text-template")

EVENTS = "/etc/e-smith/events"
PORT = 2525  # in the namespace, where nobody else is
ZONES = {name: world.ZONES[name] for name in ("doecom.net", "smithnet.com")}
ZONES["sub.smithnet.com"] = "@ MX 0 mail.smithnet.com.\n@ MX 5 mail.doecom.net.\n"


@contextlib.contextmanager
def internet(folder):
    """A namespace with a name server, the primary of smithnet.com and a smart host that takes everything.

    Gives the command that runs a command there, the smart host's port, and what the primary and the smart host took:
    a function each, which returns all recipients so far, sorted.
    """
    control = folder / "qmail/control"
    control.mkdir(parents=True)
    (control / "rcpthosts").write_text("smithnet.com\n.smithnet.com\n")
    primary, smart = folder / "primary", folder / "smart"
    with world.serving(folder, control, ZONES, primary) as net, \
            mailfront.start(control, relay=True, queue=smart, inside=net.server) as smart_host:
        yield net.server, smart_host.address[1], lambda: recipients(primary), lambda: recipients(smart)


def recipients(queue):
    """Every recipient of every message in mailfront's `queue`, sorted."""
    return sorted(recipient for _, to, _ in mailfront.messages(queue) for recipient in to)


def prepare(server, folder, port):
    """Make `folder` an SME 11: its engine, the template of main.cf, and the event that expands it."""
    host = perlhost.make(Sandbox(folder).plant())
    host.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=mail\n"
               f"postfix=service|SMTPSmartHost|127.0.0.1:{port}|SMTPSmartHostStatus|enabled|status|enabled\n")
    host.write("/etc/e-smith/templates/etc/postfix/main.cf/10all", server.main.read_text())
    host.write(f"{EVENTS}/email-update/templates2expand/etc/postfix/main.cf", "")
    # What the package does to such an event: tests/packages/test_sme.py.
    (host / f"{EVENTS}/email-update/S06mxbackup-expand").symlink_to("../actions/mxbackup-expand")
    return host


def send(server, inside, recipient):
    """Send a message to `recipient`, as a client in the namespace; returns when a server has taken it."""
    host, port = server.address
    done = subprocess.run([*inside, "/usr/sbin/smtp-source", "-f", "a@doecom.net", "-t", recipient,
                           f"inet:{host}:{port}"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for line in server.log().splitlines():
            if f"to=<{recipient}>" in line and "status=" in line:
                assert "status=sent" in line, line
                return
        time.sleep(0.1)
    raise AssertionError(server.log())


@pytest.mark.needs(*world.NEEDS)
def test_mail_for_a_rules_name_passes_the_smart_host_by_also_after_an_email_update(tmp_path):
    with internet(tmp_path) as (inside, port, primary, smart), postfix.place() as folder, \
            postfix.start(folder, f"relayhost = [127.0.0.1]:{port}\nmynetworks = 127.0.0.0/8\n",
                          port=PORT, inside=inside) as server:
        host = prepare(server, folder, port)
        send(server, inside, "before@smithnet.com")
        assert (primary(), smart()) == ([], ["before@smithnet.com"])
        ran = host.run("mxbackup", "add", "smithnet.com", "--domain")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        by_dns, by_smart_host = [], ["before@smithnet.com"]
        for turn in ("added", "updated"):
            by_dns += [f"{turn}@smithnet.com", f"{turn}@sub.smithnet.com"]
            by_smart_host.append(f"{turn}@elsewhere.example")
            for recipient in (*by_dns[-2:], by_smart_host[-1]):
                send(server, inside, recipient)
            # Each once, and nothing else.
            assert (primary(), smart()) == (sorted(by_dns), sorted(by_smart_host))
            status = host.run("mxbackup", "status")
            assert status.returncode == 0 and "Smart host: " in status.stdout and str(port) in status.stdout
            # The event's template writes main.cf anew, without our lists.
            assert "mxbackup" not in (host / "/etc/e-smith/templates/etc/postfix/main.cf/10all").read_text()
            assert perl(host, "signal-event", "email-update").returncode == 0
            assert "mxbackup" in server.value("transport_maps")
            # What it had read before is no help: only what the event wrote counts.
            server.stop()
            server.start()
        assert host.run("mxbackup", "disable").returncode == 0
        assert perl(host, "signal-event", "email-update").returncode == 0
        assert "mxbackup" not in server.value("transport_maps")
        send(server, inside, "after@smithnet.com")
        assert (primary(), smart()) == (sorted(by_dns), sorted([*by_smart_host, "after@smithnet.com"]))


def test_status_says_that_the_route_is_not_in_force_when_main_cf_was_written_without_us():
    with postfix.place() as folder, postfix.start(folder, f"relayhost = [127.0.0.1]:{PORT}\n") as server:
        host = prepare(server, folder, PORT)
        host.run("mxbackup", "add", "smithnet.com", "--domain")
        (host / f"{EVENTS}/email-update/S06mxbackup-expand").unlink()
        perl(host, "signal-event", "email-update")
        status = host.run("mxbackup", "status")
        assert status.returncode == 1 and "is to name our lists in" in status.stdout
