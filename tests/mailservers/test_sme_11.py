"""An SME Server 11's queue: the real Postfix, whose main.cf the Perl engine's stand-in writes.

`smtp-sink` is the smart host. The template of main.cf is ours: nothing of the real ones is known.
"""

import smtplib
import socket
import subprocess
import time

import perlhost
import postfix
import pytest
from sandbox import Sandbox
from twoengines import perl

pytestmark = pytest.mark.needs(*postfix.NEEDS, "perl", "text-template")

EVENTS = "/etc/e-smith/events"


@pytest.fixture
def smart_host():
    """The port of a smart host that takes everything."""
    port = postfix.free_port()
    sink = subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "postfix", f"127.0.0.1:{port}", "10"])
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert sink.poll() is None
        time.sleep(0.05)
    yield port
    sink.terminate()
    sink.wait(10)


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


def way_of(server, recipient):
    """Send a message to `recipient`; returns the log's line of its first delivery attempt."""
    with smtplib.SMTP(*server.address) as client:
        client.sendmail("a@doecom.net", [recipient], "Subject: test\n\ntext\n")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for line in server.log().splitlines():
            if f"to=<{recipient}>" in line and "status=" in line:
                return line
        time.sleep(0.1)
    raise AssertionError(server.log())


def test_mail_for_a_rules_name_passes_the_smart_host_by_also_after_an_email_update(smart_host):
    settings = f"relayhost = [127.0.0.1]:{smart_host}\nmynetworks = 127.0.0.0/8\n"
    sent = f"relay=127.0.0.1[127.0.0.1]:{smart_host}"
    with postfix.place() as folder, postfix.start(folder, settings) as server:
        host = prepare(server, folder, smart_host)
        assert sent in way_of(server, "before@smithnet.com")
        ran = host.run("mxbackup", "add", "smithnet.com", "--domain")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        for turn in ("added", "updated"):
            assert sent in way_of(server, f"{turn}@elsewhere.example")
            # This place has no DNS: that it is asked for is what counts.
            assert sent not in way_of(server, f"{turn}@smithnet.com")
            assert sent not in way_of(server, f"{turn}@sub.smithnet.com")
            status = host.run("mxbackup", "status")
            assert status.returncode == 0 and "Smart host: " in status.stdout and str(smart_host) in status.stdout
            assert perl(host, "signal-event", "email-update").returncode == 0
            assert "mxbackup" in server.value("transport_maps")
        assert host.run("mxbackup", "disable").returncode == 0
        assert perl(host, "signal-event", "email-update").returncode == 0
        assert "mxbackup" not in server.value("transport_maps")
        assert sent in way_of(server, "after@smithnet.com")


def test_status_says_that_the_route_is_not_in_force_when_main_cf_was_written_without_us(smart_host):
    with postfix.place() as folder, postfix.start(folder, f"relayhost = [127.0.0.1]:{smart_host}\n") as server:
        host = prepare(server, folder, smart_host)
        host.run("mxbackup", "add", "smithnet.com", "--domain")
        (host / f"{EVENTS}/email-update/S06mxbackup-expand").unlink()
        perl(host, "signal-event", "email-update")
        status = host.run("mxbackup", "status")
        assert status.returncode == 1 and "is to name our lists in" in status.stdout
