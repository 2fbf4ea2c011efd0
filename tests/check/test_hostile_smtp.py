"""Servers that lie, hang, babble or hang up: each ends in a verdict in time, with bounded memory."""

import itertools
import json
import resource
import socket
import subprocess
import threading
import time

import pytest
from hostile import lines, obedient, tcp
from world import LIBRARY

from mxbackup.network import smtp
from mxbackup.network.address import Deadline, Endpoint

SECONDS = 2
# So many more may go by on a busy machine, in which nothing is waited for.
BUSY = 5


def silent(connection):
    connection.recv(1)


def silent_after_the_greeting(connection):
    connection.sendall(b"220 hostile.example ESMTP\r\n")
    for _ in lines(connection):
        pass


def byte_a_moment(connection):
    for byte in itertools.cycle(b"220-slow\r\n"):
        connection.sendall(bytes([byte]))
        time.sleep(0.1)


def endless_line(connection):
    while True:
        connection.sendall(b"2" * 65536)


def endless_answer(connection):
    while True:
        connection.sendall(b"220-and another thing\r\n" * 1000)


def endless_bytes(connection):
    """Never a long line, never a long answer, but after each command ever more of them."""
    connection.sendall(b"220 hostile.example ESMTP\r\n")
    for _ in lines(connection):
        connection.sendall((b"250-" + b"x" * 4000 + b"\r\n") * 90 + b"250 x\r\n")


def garbage(connection):
    connection.sendall(bytes(range(256)) * 8)


def web_server(connection):
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def hangs_up_at_once(connection):
    pass


def hangs_up_mid_dialogue(connection):
    connection.sendall(b"220 hostile.example ESMTP\r\n")
    for line in lines(connection):
        if line.startswith(b"RCPT"):
            return
        connection.sendall(b"250 fine\r\n")


def resets(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def mixed_codes(connection):
    connection.sendall(b"220-hello\r\n554 no, go away\r\n")


def dawdles_with_tls(connection):
    connection.sendall(b"220 hostile.example ESMTP\r\n")
    for reply in (b"250-hostile.example\r\n250 STARTTLS\r\n", b"220 go ahead\r\n", b"\x16\x03\x03\x40\x00"):
        connection.recv(4096)
        connection.sendall(reply)
    while True:
        connection.sendall(b"x")
        time.sleep(0.1)


def does_not_read(connection):
    connection.sendall(b"220 hostile.example ESMTP\r\n" + b"250 fine\r\n" * 3)
    time.sleep(SECONDS + 2)


HOSTILE = {
    silent: "no full answer in time",
    silent_after_the_greeting: "no full answer in time",
    byte_a_moment: "no full answer in time",
    endless_line: "a line of its answer has more than 4096 bytes",
    endless_answer: "its answer has more than 100 lines",
    endless_bytes: "it talks without end",
    garbage: "what it says is not SMTP: \\x00\\x01\\x02",
    web_server: "what it says is not SMTP: HTTP/1.1 400 Bad Request",
    hangs_up_at_once: "it closed the connection",
    hangs_up_mid_dialogue: "it closed the connection in the middle of the dialogue",
    resets: "onnection",
    mixed_codes: "what it says is not SMTP: 554 no, go away",
    dawdles_with_tls: "in time",
    does_not_read: "in time",
    obedient(greeting=b"421 too many\r\n"): "it ends the connection: 421 too many",
    obedient(greeting=b"554 you are on a black list\r\n"): "it greets with 554 you are on a black list",
    obedient(ehlo=b"502 no\r\n", helo=b"550 not you\r\n"): "it does not want to talk with",
    obedient(mail=b"451 try later\r\n"): "it refuses the sender <>: 451 try later",
    obedient(rcpt=b"354 go ahead\r\n"): "what it says to RCPT is not SMTP: 354 go ahead",
}


def check(address, *arguments, seconds=SECONDS, preexec=None):
    """Run `mxbackup check --json`; return its exit status, the verdicts by name and the seconds it took."""
    start = time.monotonic()
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "mxbackup", "check", "--json", "--only", "smtp", "--timeout", str(seconds),
         "--server", "{}:{}".format(*address), *arguments],
        cwd=LIBRARY, capture_output=True, text=True, timeout=60, preexec_fn=preexec)
    assert done.stderr == ""
    verdicts = json.loads(done.stdout)["verdicts"]
    return done.returncode, {verdict["name"]: verdict for verdict in verdicts}, time.monotonic() - start


@pytest.mark.parametrize("behave, text", HOSTILE.items(),
                         ids=[f"{behave.__name__} {text[-25:]}" for behave, text in HOSTILE.items()])
def test_a_hostile_server_ends_in_a_verdict(behave, text):
    def bounded():
        resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))

    with tcp(behave) as address:
        status, verdicts, seconds = check(address, "--as", "<>", "smithnet.com", preexec=bounded)
    assert status == 2
    assert verdicts["smithnet.com"]["state"] == "unchecked"
    findings = [finding["text"] for verdict in verdicts.values() for finding in verdict["findings"]]
    assert any(text in finding for finding in findings), findings
    # The limit holds for the server, and then for the domain.
    assert seconds < 2 * SECONDS + BUSY


def test_a_grey_list_is_no_fault_and_no_proof():
    with tcp(obedient(rcpt=b"451 4.7.1 Greylisted, come back in 300 seconds\r\n")) as address:
        status, verdicts, _ = check(address, "smithnet.com")
    findings = verdicts["smithnet.com"]["findings"]
    assert (status, verdicts["smithnet.com"]["state"]) == (2, "unchecked")
    assert "it puts off mail for smithnet.com: 451 4.7.1 Greylisted" in findings[0]["text"]
    assert "grey list" in findings[0]["remedy"]


def test_a_server_that_hangs_up_after_each_error_is_called_again():
    def touchy(connection):
        connection.sendall(b"220 touchy.example ESMTP\r\n")
        for line in lines(connection):
            stranger = line.startswith(b"RCPT") and not line.strip().lower().endswith(b"@smithnet.com>")
            connection.sendall(b"550 no such domain\r\n" if stranger else b"250 fine\r\n")
            if stranger or line.startswith(b"QUIT"):
                return

    with tcp(touchy) as address:
        status, verdicts, _ = check(address, "--kind", "HOST", "smithnet.com")
    assert (status, verdicts["smithnet.com"]["state"]) == (0, "good"), verdicts


def test_a_busy_server_is_asked_again():
    greetings = itertools.chain([b"421 busy\r\n"], itertools.repeat(b"220 ready\r\n"))

    def busy_once(connection):
        obedient(greeting=next(greetings), rcpt=b"550 no\r\n")(connection)

    with tcp(busy_once) as address:
        _, verdicts, _ = check(address, "smithnet.com", seconds=5)
    assert [verdict["state"] for verdict in verdicts.values()] == ["good", "fault"]


def test_no_more_domains_are_checked_at_once_than_asked_for():
    under_way, most, lock = [0], [0], threading.Lock()

    def counting(connection):
        with lock:
            under_way[0] += 1
            most[0] = max(most[0], under_way[0])
        time.sleep(0.05)
        with lock:
            under_way[0] -= 1
        obedient(rcpt=b"550 no\r\n")(connection)

    with tcp(counting) as address:
        check(address, "-j", "3", *(f"domain{n}.org" for n in range(15)), seconds=10)
    assert most[0] == 3


def test_no_connection_is_said_once_and_costs_nothing(free_port):
    domains = [f"domain{n}.org" for n in range(50)]
    status, verdicts, seconds = check(("127.0.0.1", free_port), *domains)
    assert (status, len(verdicts)) == (2, 51)
    server = verdicts.pop(f"127.0.0.1:{free_port}")
    assert server["findings"][0]["text"] == f"127.0.0.1:{free_port}: no connection (Connection refused)"
    assert {verdict["findings"][0]["text"] for verdict in verdicts.values()} == {
        f"no dialogue with 127.0.0.1:{free_port}: see there"}
    assert seconds < BUSY


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_what_a_server_says_does_not_reach_the_terminal_as_it_is():
    evil = b"550 \x1b]0;owned\x07\x1b[2J\x9b31m \xe2\x80\xae\x00 no\r\n"
    with tcp(obedient(greeting=b"220 \x1b[2J hello\r\n", rcpt=evil)) as address:
        done = subprocess.run(
            ["/usr/bin/python3", "-m", "mxbackup", "check", "-v", "--only", "smtp",
             "--server", "{}:{}".format(*address), "smithnet.com"], cwd=LIBRARY, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert set(done.stdout + done.stderr) <= set(range(0x20, 0x7f)) | {0x0a}
    assert rb"550 \x1b]0;owned\x07\x1b[2J\x9b31m \xe2\x80\xae\x00 no" in done.stdout


def test_nothing_can_be_said_between_starttls_and_tls():
    """Bytes that came in the clear after the answer to STARTTLS are not taken for the server's."""
    behave = obedient(ehlo=b"250-x\r\n250 STARTTLS\r\n", star=b"220 go\r\n250-x\r\n250 injected\r\n")
    with tcp(behave) as address, pytest.raises(smtp.TLSFailed, match="goes on talking"):
        dialogue = smtp.Dialogue(Endpoint(*address), Deadline(5))
        dialogue.connect()
        dialogue.hello("friend.example")


def hangs_up_at_starttls(connection):
    connection.sendall(b"220 hostile.example ESMTP\r\n")
    for line in lines(connection):
        if line.startswith(b"STARTTLS"):
            return
        connection.sendall(b"250-x\r\n250 STARTTLS\r\n" if line.startswith(b"EHLO") else b"250 fine\r\n")


def silent_at_starttls(connection):
    connection.sendall(b"220 hostile.example ESMTP\r\n")
    for line in lines(connection):
        if not line.startswith(b"STARTTLS"):
            connection.sendall(b"250-x\r\n250 STARTTLS\r\n" if line.startswith(b"EHLO") else b"250 fine\r\n")


def silent_in_tls(connection):
    connection.sendall(b"220 hostile.example ESMTP\r\n")
    for line in lines(connection):
        connection.sendall(b"250-x\r\n250 STARTTLS\r\n" if line.startswith(b"EHLO") else b"220 fine\r\n")
        if line.startswith(b"STARTTLS"):
            while connection.recv(4096):
                pass
            return


@pytest.mark.parametrize("behave", [
    obedient(ehlo=b"250-x\r\n250 STARTTLS\r\n", star=b"220 go\r\n", rcpt=b"550 no\r\n"),
    obedient(ehlo=b"250-x\r\n250 STARTTLS\r\n", star=b"421 not now\r\n"),
    hangs_up_at_starttls, silent_at_starttls, silent_in_tls,
], ids=["no TLS", "421", "hangs up", "silent", "silent in TLS"])
def test_where_tls_fails_the_dialogue_goes_on_without(behave):
    with tcp(behave) as address:
        dialogue, _, trouble = smtp.begin(Endpoint(*address), "friend.example", Deadline(5))
        with dialogue:
            assert trouble.startswith("{}:{}: it offers STARTTLS, but: ".format(*address))
            assert trouble.count("127.0.0.1") == 1
            assert dialogue.mail("").accepted
            assert not dialogue.tls


def test_a_late_quit_is_not_waited_for():
    def never_lets_go(connection):
        connection.sendall(b"220 x\r\n")
        for line in lines(connection):
            if line.startswith(b"QUIT"):
                time.sleep(30)
            connection.sendall(b"250 fine\r\n")

    with tcp(never_lets_go) as address:
        dialogue, _, _ = smtp.begin(Endpoint(*address), "friend.example", Deadline(2))
        start = time.monotonic()
        dialogue.quit()
        assert time.monotonic() - start < 3


@pytest.mark.parametrize("reply, code, text", [
    (b"250 OK\r\n", 250, "250 OK"), (b"250\r\n", 250, "250"), (b"250-a\r\n250-b\r\n250 c\r\n", 250, "250 c"),
    (b"250 bare newline\n", 250, "250 bare newline"), (b"550-5.7.1 No\r\n550\r\n", 550, "550"),
])
def test_every_form_of_answer_is_understood(reply, code, text):
    with tcp(obedient(noop=reply)) as address, smtp.Dialogue(Endpoint(*address), Deadline(5)) as dialogue:
        dialogue.connect()
        answer = dialogue.command("NOOP")
        assert (answer.code, str(answer)) == (code, text)
        assert dialogue.command("RSET").code == 250
