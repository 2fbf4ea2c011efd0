"""The command as a person, a monitor and a timer use it."""

import json
import os
import pty
import re
import shutil
import subprocess
import time

import mailfront
import pytest
from hostile import obedient, tcp
from loopback import RECORDS, many_domains, name_server
from sandbox import CHECKOUT, Syslog
from world import LIBRARY

from mxbackup import check as checks
from mxbackup.check import store
from mxbackup.check.verdict import PARTS, Verdict
from mxbackup.commands import check as command
from mxbackup.commands import mailing

STORE = "/var/lib/mxbackup/verdicts.json"


@pytest.fixture
def backup(host):
    """The host with two rules, its files written."""
    for arguments in (["--domain", "smithnet.com"], ["mail.bar.org"]):
        assert host.run("mxbackup", "add", *arguments).returncode == 0
    return host


@pytest.fixture
def dns(tmp_path):
    """nsd on a loopback port with the zones of both rules' domains: ADDRESS:PORT."""
    host = "mail MX 0 primary\nmail MX 5 sme.doecom.net.\nprimary A 192.168.0.1\n"
    zones = {"smithnet.com": RECORDS, "bar.org": RECORDS + host, "doecom.net": "sme A 192.168.0.2\n"}
    with name_server(tmp_path, zones) as address:
        yield address


def everything(host, server, dns, *arguments):
    where = ["--server", "{}:{}".format(*server.address), "--nameserver", dns]
    return host.run("mxbackup", "check", *where, *arguments)


def test_a_right_host_is_green_from_end_to_end(backup, dns):
    with mailfront.start(backup / "/var/qmail/control") as server:
        done = everything(backup, server, dns)
        assert (done.returncode, done.stdout, done.stderr) == (0, (
            f"GOOD       server 127.0.0.1:{server.address[1]}\n"
            "GOOD       smithnet.com (DOMAIN)\n"
            "GOOD       mail.bar.org (HOST)\n"
            "2 domains: 2 good, 0 with a fault, 0 not fully checked\n"), "")
        stored = json.loads(backup.read(STORE))["verdicts"]
        assert {name: (verdict["kind"], verdict["state"]) for name, verdict in stored.items()} == {
            "": ("SERVER", "good"), "smithnet.com": ("DOMAIN", "good"), "mail.bar.org": ("HOST", "good")}
        assert time.time() - 60 < stored["smithnet.com"]["checked"] <= time.time()
        # A verdict on one rule leaves the others', one on a stranger's domain is not kept.
        backup.run("config", "setprop", "mxbackup", "name", "smithnet.com,1")
        everything(backup, server, dns, "smithnet.com", "hotmail.com")
        assert set(json.loads(backup.read(STORE))["verdicts"]) == {"", "smithnet.com"}
        # Nor are verdicts from a part of the checks.
        os.unlink(backup / STORE)
        everything(backup, server, dns, "--only", "smtp")
        assert not (backup / STORE).exists()


def test_changes_are_printed_logged_and_mailed(backup, dns, tmp_path):
    backup.write("/usr/sbin/sendmail", f'#!/bin/sh\n{{ echo "$@"; cat; }} >> {tmp_path}/mail\n', 0o755)
    log = Syslog(backup / "/dev/log")
    with mailfront.start(backup / "/var/qmail/control") as server:
        first = everything(backup, server, dns, "--changes", "--mail", "admin@doecom.net")
        assert (first.returncode, first.stdout) == (0, "")
        backup.run("config", "setprop", "mxbackup", "name", "smithnet.com,1,mail.bar.org,1")
        for _ in range(2):
            done = everything(backup, server, dns, "--changes", "--mail", "admin@doecom.net")
            assert done.returncode == 1
    log.close()
    assert done.stdout == ""
    # One line for each change, in the command's name, and nothing beside them.
    messages = [message.decode() for message in log.messages if b">mxbackup[" in message]
    assert len(messages) == 2, messages
    assert all(re.match(r"<142>mxbackup\[\d+\]: check: ", message) for message in messages)
    assert f"check: 127.0.0.1:{server.address[1]} is now fault: " in messages[0]
    assert "mail.bar.org is now fault: it refuses mail for names below mail.bar.org" in messages[1]
    mail = (tmp_path / "mail").read_text()
    assert mail.startswith("-i -- admin@doecom.net\nTo: admin@doecom.net\nSubject: MX backup:")
    assert mail.count("FAULT      mail.bar.org (DOMAIN)\n") == 1


def test_a_store_that_cannot_be_written_is_no_failure(backup, dns):
    # The journal of the rules is there already.
    shutil.rmtree(backup / "/var/lib/mxbackup")
    backup.write("/var/lib/mxbackup", "a file, not a folder")
    with mailfront.start(backup / "/var/qmail/control") as server:
        done = everything(backup, server, dns, "--changes")
    assert done.returncode == 0
    assert done.stderr.startswith("mxbackup: /var/lib/mxbackup/verdicts.json: the verdicts are not stored: ")


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"verdicts": 3}', '{"verdicts": {"a": 1}}', "\x00\xff", "[" * 100000,
    '{"verdicts": {"a": {"state": [], "findings": [], "checked": 1}}}',
    '{"verdicts": {"a": {"state": "good", "findings": null, "checked": 1}}}',
    '{"verdicts": {"a": {"state": "good", "findings": [3], "checked": 1}}}',
    '{"verdicts": {"a": {"state": "good", "findings": [{"level": []}], "checked": 1}}}',
    '{"verdicts": {"a": {"state": "good", "findings": [], "checked": 99999999999999999999}}}',
], ids=lambda text: text[:60])
def test_a_damaged_store_is_an_empty_one(sandbox, monkeypatch, text):
    monkeypatch.setenv("ESMITH_ROOT", str(sandbox.path))
    assert store.load() == {}
    sandbox.write(STORE, text)
    assert store.load() == {}


def test_the_panel_calls_it_from_python(backup, dns, monkeypatch):
    monkeypatch.setenv("ESMITH_ROOT", str(backup.path))
    seen = []
    with mailfront.start(backup / "/var/qmail/control") as server:
        verdicts = checks.run(["mail.bar.org"], progress=lambda done, total: seen.append((done, total)),
                              server="{}:{}".format(*server.address), nameserver=dns)
    assert [(verdict.kind, verdict.state) for verdict in verdicts] == [("SERVER", "good"), ("HOST", "good")]
    assert seen == [(1, 1)]
    assert store.load()["mail.bar.org"]["state"] == "good"


def test_a_mail_program_that_hangs_is_stopped_and_said(sandbox, monkeypatch, capfd):
    monkeypatch.setenv("ESMITH_ROOT", str(sandbox.path))
    monkeypatch.setattr(mailing, "SECONDS", 0.2)
    sandbox.write("/usr/sbin/sendmail", "#!/bin/sh\nexec sleep 60\n", 0o755)
    command._mail([Verdict("smithnet.com", "DOMAIN")], "admin@doecom.net")
    assert capfd.readouterr().err == (
        "mxbackup: /usr/sbin/sendmail: the mail to admin@doecom.net was not sent: "
        "it took more than 0.2 seconds\n")


@pytest.mark.parametrize("name, domain", [
    ("sme", "d\u00f6com.net"), ("sme", "doecom.net\\nRCPT TO:<x@y>"), ("sme\rRSET", "doecom.net"),
    ("\x1b[2J", "doecom.net"), ("\udcff", "doecom.net"), ("sme", "a" * 5000),
], ids=lambda text: ascii(text)[:40])
def test_a_name_of_the_host_that_is_none_is_not_said_to_the_server(backup, name, domain):
    """The databases may hold any bytes; the server then hears an address, as RFC 5321, 4.1.4 has it."""
    backup.run("config", "set", "SystemName", name)
    backup.run("config", "set", "DomainName", domain)
    with mailfront.start(backup / "/var/qmail/control") as server:
        done = backup.run("mxbackup", "check", "-v", "--only", "smtp", "--server", "{}:{}".format(*server.address))
        assert (done.returncode, done.stderr) == (0, "")
        assert "\nEHLO [127.0.0.1]\n" in done.stdout and "\nMAIL FROM:<>\n" in done.stdout
    done = backup.run("mxbackup", "check", "--only", "files")
    assert done.returncode == 1 and set(done.stdout) <= set(map(chr, range(0x20, 0x7f))) | {"\n"}


def outside(*arguments, **environment):
    """Run it from the library's folder, on a machine that is no e-smith host."""
    return subprocess.run(["/usr/bin/python3", "-m", "mxbackup", "check", *arguments], cwd=LIBRARY,
                          env={"PATH": os.environ["PATH"], **environment},
                          capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("arguments, message", [
    ([], "this machine has no rules (no e-smith database): say which domains to check"),
    (["smithnet.com"], "this machine is no e-smith host: say which server to check, with --server HOST"),
    (["--server", "doecom.net:0", "a.org"], "server doecom.net:0: the port is not between 1 and 65535"),
    (["--server", "mail.doecom.net:25:25", "a.org"], "server mail.doecom.net:25:25: it is no IPv6 address"),
    (["--server", "a b", "a.org"], "server a b: it is not HOST or HOST:PORT"),
    (["--server", "\x1b[2J", "a.org"], "server \\x1b[2J: it is not HOST or HOST:PORT"),
    (["--server", "127.0.0.1", "--nameserver", "ns.org", "a.org"], "nameserver ns.org: give its address"),
    (["--server", "127.0.0.1", "no name"], "no name: "),
    (["--server", "127.0.0.1", "--as", "a@b.org>\r\nRCPT TO:<x@y.org", "a.org"], "is no address like"),
    (["--server", "127.0.0.1", "--timeout", "0", "a.org"], "a time limit is more than 0"),
    (["--server", "127.0.0.1", "--timeout", "nan", "a.org"], "a time limit is more than 0"),
    (["--server", "127.0.0.1", "-j", "1000", "a.org"], "1 to 64 domains can be checked at once"),
    (["--server", "127.0.0.1", "--mail", "a@b.org", "a.org"], "--mail goes with --changes"),
    (["--server", "127.0.0.1", "--changes", "--mail", "<>", "a.org"], "--mail goes with an address"),
    (["--server", "127.0.0.1", "--changes", "--mail", "", "a.org"], "--mail goes with an address"),
    (["--server", "127.0.0.1", "--changes", "--only", "smtp", "a.org"], "--changes goes without --only and --skip"),
    (["--server", "127.0.0.1", "--only", "files", "a.org"], "are looked at on the host itself"),
    (["--server", "127.0.0.1", "--only", "smtp", "--skip", "smtp", "a.org"], "leave nothing to check"),
    (["--server", "127.0.0.1", "--from-file", "/dev/null"], "/dev/null: no domain is in it"),
    (["--server", "127.0.0.1", "--changes", "--plugin", "a.org"], "--changes goes without --plugin"),
])
def test_what_cannot_be_meant_is_refused(arguments, message):
    done = outside(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mxbackup: ") and message in done.stderr and done.stderr.count("\n") == 1


def test_domains_from_a_file_give_an_object_a_line(sme_mailfront, tmp_path):
    (tmp_path / "domains").write_text("# ours\nmail.bar.org\n\nhotmail.com\n")
    done = outside("--server", "{}:{}".format(*sme_mailfront[0]), "--only", "smtp", "--jsonl", "--from-file",
                   str(tmp_path / "domains"), "smithnet.com")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["name"], each["state"]) for each in found[1:]] == [
        ("smithnet.com", "good"), ("mail.bar.org", "good"), ("hotmail.com", "fault")]


@pytest.mark.parametrize("arguments, status, line", [
    (["smithnet.com"], 0, r"MXBACKUP OK - 1 domain: 1 good, .*\| good=2 fault=0;;0 unchecked=0;0 time=\d+\.\d\ds"),
    (["hotmail.com", "smithnet.com"], 2, r"MXBACKUP CRITICAL - 2 domains: .*; hotmail.com: it refuses mail for "
                                         r"hotmail.com: .* \| good=2 fault=1;;0 unchecked=0;0 time=.*"),
    (["no name"], 3, r"MXBACKUP UNKNOWN - no name: .*"),
])
def test_a_monitor_gets_one_line(sme_mailfront, arguments, status, line):
    done = outside("--plugin", "--server", "{}:{}".format(*sme_mailfront[0]), "--only", "smtp", *arguments)
    assert (done.returncode, done.stderr) == (status, "")
    assert re.fullmatch(line + "\n", done.stdout), done.stdout


def test_a_monitor_is_told_that_nothing_could_be_asked():
    done = outside("--plugin", "--server", "127.0.0.1:1", "--only", "smtp", "smithnet.com")
    assert (done.returncode, done.stdout[:19]) == (3, "MXBACKUP UNKNOWN - ")


def test_a_server_with_an_ipv6_address(sme):
    with mailfront.start(sme / "/var/qmail/control", "::1") as server:
        done = outside("-v", "--only", "smtp", "--as", "<>", "--server", f"[::1]:{server.address[1]}",
                       "smithnet.com")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nEHLO [IPv6:::1]\n" in done.stdout


def test_a_server_that_has_no_address(tmp_path):
    done = outside("--server", "nowhere.invalid", "--only", "smtp", "--timeout", "5", "smithnet.com")
    assert done.returncode == 2
    assert "nowhere.invalid: " in done.stdout and "no dialogue with nowhere.invalid:25" in done.stdout


def test_without_dnspython_the_dialogues_are_still_held(sme_mailfront, tmp_path):
    (tmp_path / "dns.py").write_text("raise ImportError('not here')\n")
    server = "{}:{}".format(*sme_mailfront[0])
    done = outside("--server", server, "smithnet.com", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "smithnet.com\n    unchecked, dns: the Python module dnspython is not installed\n" in done.stdout
    assert "apt install python3-dnspython" in done.stdout
    done = outside("--server", server, "--only", "smtp", "smithnet.com", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


def test_the_transcript_comes_before_the_verdict(sme_mailfront):
    done = outside("-v", "--only", "smtp", "--as", "admin@anything.other.org",
                   "--server", "{}:{}".format(*sme_mailfront[0]), "smithnet.com")
    blocks = done.stdout.split("Trying 127.0.0.1...\nConnected to 127.0.0.1.\nEscape character is '^]'.\n")
    assert len(blocks) == 3 and blocks[0] == ""
    assert blocks[2].startswith(
        "220 sme.doecom.net mailfront ESMTP\n"
        "EHLO anything.other.org\n"
        "250-sme.doecom.net\n250-8BITMIME\n250-ENHANCEDSTATUSCODES\n250 PIPELINING\n"
        "MAIL FROM:<admin@anything.other.org>\n"
        "250 2.1.0 Sender accepted.\n"
        "RCPT TO:<postmaster@smithnet.com>\n"
        "250 2.1.5 Recipient accepted.\n"
        "RSET\n"
        "250 2.3.0 OK\n")
    assert ("QUIT\n221 2.0.0 Good bye.\nConnection closed by foreign host.\n"
            "GOOD       smithnet.com\n") in blocks[2]


def on_a_terminal(*arguments, **environment):
    """Run it with a terminal for its output; return what the terminal got."""
    master, terminal = pty.openpty()
    process = subprocess.Popen(["/usr/bin/python3", "-m", "mxbackup", "check", *arguments], cwd=LIBRARY,
                               env={"PATH": os.environ["PATH"], "TERM": "xterm", **environment},
                               stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    while True:
        try:
            shown += os.read(master, 65536)
        except OSError:
            break
    process.wait(10)
    os.close(master)
    return shown.decode()


def test_colours_and_progress_are_for_terminals(sme_mailfront):
    arguments = ["--server", "{}:{}".format(*sme_mailfront[0]), "--only", "smtp",
                 *(f"d{n}.org" for n in range(11)), "smithnet.com"]
    shown = on_a_terminal(*arguments)
    assert "\x1b[32mGOOD     \x1b[0m  smithnet.com" in shown
    assert "\x1b[31mFAULT    \x1b[0m  d0.org" in shown
    assert "\r1 of 12 domains" in shown and "\r12 of 12 domains" in shown
    assert "\x1b[3" not in on_a_terminal(*arguments, NO_COLOR="1")
    assert "\x1b" not in outside(*arguments).stdout + outside(*arguments).stderr


def test_the_dialogue_is_in_tls_where_it_is_offered(tmp_path):
    import ssl
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=self.signed", "-days", "2",
         "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")

    def with_tls(connection):
        connection.sendall(b"220 tls.example ESMTP\r\n")
        for reply in (b"250-tls.example\r\n250 STARTTLS\r\n", b"220 go ahead\r\n"):
            connection.recv(4096)
            connection.sendall(reply)
        with context.wrap_socket(connection, server_side=True) as secured:
            obedient(greeting=b"", rcpt=b"550 no\r\n")(secured)

    with tcp(with_tls) as address:
        done = outside("-v", "--only", "smtp", "--server", "{}:{}".format(*address), "smithnet.com")
    assert re.search(r"STARTTLS\n220 go ahead\n\(TLSv1\.\d from here on\)\nEHLO ", done.stdout), done.stdout


# Runs a command and says what it used last: a child of a large process counts that one's memory as its own, too.
MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
print(used.ru_maxrss)
sys.exit(os.WEXITSTATUS(status))
"""


def test_a_thousand_domains_in_little_memory(tmp_path):
    """Against the real mailfront, in one process."""
    with many_domains(tmp_path, 1000) as (arguments, environment):
        ran = subprocess.run(
            ["/usr/bin/python3", "-IS", "-c", MEASURE, CHECKOUT / "root/usr/sbin/mxbackup", *arguments],
            capture_output=True, text=True, env={**os.environ, **environment})
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    said, kibibytes = ran.stdout.splitlines()[-2:]
    assert said == "1000 domains: 1000 good, 0 with a fault, 0 not fully checked"
    assert int(kibibytes) <= 64 * 1024


def test_the_timer_is_off_by_default_and_calls_what_is_there():
    units = CHECKOUT / "root/usr/lib/systemd/system"
    timer = (units / "mxbackup-check.timer").read_text()
    service = (units / "mxbackup-check.service").read_text()
    assert "WantedBy=timers.target" in timer
    assert not list((CHECKOUT / "root").rglob("timers.target.wants"))
    assert "ExecStart=/usr/sbin/mxbackup check --changes $MXBACKUP_CHECK_OPTIONS\n" in service
    assert set(PARTS) == {"files", "smtp", "dns", "loop", "strict"}
