"""Name servers that fail, loop, lie, babble or keep silent: each ends in a verdict in time."""

import collections
import json
import os
import random
import struct
import subprocess
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hostile import lines, udp
from world import LIBRARY

from mxbackup.network import dns as resolver
from mxbackup.network.address import Deadline, Endpoint

SECONDS = 4
# What a busy machine may take besides.
BUSY = 5


def reply(*records, rcode="NOERROR", flags=dns.flags.AA, question=None):
    """Return an answerer that gives `records`, (name, type, *values) each, to every question."""
    def answer(wire):
        asked = dns.message.from_wire(wire)
        response = dns.message.make_response(question(asked) if question else asked)
        response.flags |= flags
        response.set_rcode(dns.rcode.from_text(rcode))
        if str(asked.question[0].name).startswith("smithnet") or rcode != "NOERROR":
            response.answer = [dns.rrset.from_text(name, 60, "IN", kind, *values)
                               for name, kind, *values in records]
        return response.to_wire(max_size=65535)
    return answer


def silent(question):
    return None


def garbage(question):
    return os.urandom(300)


def garbage_with_the_right_number(question):
    return question[:2] + b"\x84\x00" + b"\xff" * 60


def pointer_to_itself(question):
    head = question[:2] + b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00"
    return head + question[12:] + b"\xc0" + bytes([len(question)])


def empty(question):
    return b""


def cut_off(question):
    return reply(("smithnet.com.", "MX", "0 mail.smithnet.com."))(question)[:-7]


def another_number(question):
    return struct.pack("!H", (question[0] << 8 | question[1]) ^ 1) + question[2:]


def another_question(question):
    return reply(question=lambda asked: dns.message.make_query("bank.example.", "MX", id=asked.id))(question)


TOO_MANY = [("smithnet.com.", "MX", *(f"{n} mx{n}.smithnet.com." for n in range(500)))]
CHAIN = [("smithnet.com.", "CNAME", "smithnet0.com.")] + [
    (f"smithnet{n}.com.", "CNAME", f"smithnet{n + 1}.com.") for n in range(50)]

HOSTILE = {
    "silent": (silent, "no answer in time"),
    "garbage": (garbage, ""),
    "garbage with the right number": (garbage_with_the_right_number, ""),
    "pointer to itself": (pointer_to_itself, ""),
    "empty": (empty, ""),
    "cut off": (cut_off, "makes no sense"),
    "another number": (another_number, ""),
    "another question": (another_question, ""),
    "SERVFAIL": (reply(rcode="SERVFAIL"), "SERVFAIL"),
    "REFUSED": (reply(rcode="REFUSED"), "REFUSED"),
    "knows nothing": (reply(flags=0), "it does not know, the zone is not its own"),
    "chain of aliases": (reply(*CHAIN), "more than 8 CNAME records in a row"),
    "alias": (reply(("smithnet.com.", "CNAME", "other.example.")), "alias (CNAME) of other.example"),
}


def check(address, *arguments, seconds=SECONDS):
    start = time.monotonic()
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "mxbackup", "check", "--json", "--only", "dns", "--timeout", str(seconds),
         "--server", "111.112.113.114", "--name", "mail.doecom.net", "--nameserver", "{}:{}".format(*address),
         *arguments, "smithnet.com"],
        cwd=LIBRARY, env={"PATH": os.environ["PATH"], "ESMITH_ROOT": "/nonexistent"},
        capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)["verdicts"][-1], time.monotonic() - start


@pytest.mark.parametrize("answer, text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_server_ends_in_a_verdict(answer, text):
    with udp(answer) as address:
        status, verdict, seconds = check(address)
    assert (status, verdict["state"]) == (2, "unchecked"), verdict
    assert text in verdict["findings"][0]["text"]
    assert seconds < SECONDS + BUSY


def test_an_answer_of_another_class_is_none():
    def chaos(question):
        wire = reply(("smithnet.com.", "MX", "0 mail.smithnet.com."))(question)
        return wire.replace(b"\xc0\x0c\x00\x0f\x00\x01", b"\xc0\x0c\x00\x0f\x00\x03")

    with udp(chaos) as address:
        status, verdict, _ = check(address)
    assert (status, verdict["findings"][0]["text"]) == (1, "smithnet.com has no MX record")


def test_mutilated_answers_are_answers_or_errors():
    """Whatever dnspython raises or lets through on two hundred answers with bytes changed or cut off."""
    chance = random.Random(7)

    def mutilate(question):
        wire = bytearray(reply(("smithnet.com.", "MX", "0 mail.a.org.", "5 mail.doecom.net."))(question))
        for _ in range(chance.choice([1, 1, 2, 5])):
            wire[chance.randrange(2, len(wire))] = chance.randrange(256)
        return bytes(wire[:chance.randrange(2, len(wire))] if chance.random() < 0.2 else wire)

    outcomes = collections.Counter()
    with udp(mutilate) as address:
        for _ in range(200):
            try:
                resolver.ask(Endpoint(*address), "smithnet.com", "MX", Deadline(0.1))
                outcomes["answer"] += 1
            except resolver.DNSError as error:
                assert str(error).isprintable()
                outcomes["error"] += 1
    assert min(outcomes.values()) > 20, outcomes


def test_a_circle_of_aliases_is_a_fault():
    circle = reply(("smithnet.com.", "CNAME", "b.org."), ("b.org.", "CNAME", "smithnet.com."))
    with udp(circle) as address:
        status, verdict, _ = check(address)
    assert status == 1
    assert verdict["findings"][0]["text"] == "the CNAME records of smithnet.com run in a circle"


def test_an_mx_whose_address_cannot_be_looked_up_may_be_this_host():
    """A resolver that is down for a while makes no fault."""
    with udp(reply(("smithnet.com.", "MX", "0 mail.smithnet.com.", "5 other.name.net."))) as address:
        status, verdict, _ = check(address, "--name", "sme.doecom.net")
    assert (status, verdict["state"]) == (2, "unchecked")
    assert "MX 5 other.name.net: this machine's resolv.conf names no name server" in [
        finding["text"] for finding in verdict["findings"]]


def test_hundreds_of_exchangers_do_not_keep_it_busy():
    def over_tcp(connection):
        wire = reply(*TOO_MANY)(connection.recv(4096)[2:])
        connection.sendall(struct.pack("!H", len(wire)) + wire)

    with udp(reply(flags=dns.flags.AA | dns.flags.TC), over_tcp) as address:
        _, verdict, seconds = check(address, seconds=30)
    said = [finding["text"] for finding in verdict["findings"]]
    assert "only the first 10 of 500 MX records were looked at" in said
    assert seconds < 10


@pytest.mark.parametrize("over_tcp", [
    lambda connection: connection.recv(4096),
    lambda connection: [connection.sendall(b"\xff\xff") or time.sleep(0.2) for _ in lines(connection)],
    lambda connection: [connection.sendall(b"\xff") or time.sleep(0.1) for _ in range(200)],
    lambda connection: connection.sendall(b"\x00\x00"),
], ids=["hangs up", "silent", "a byte a moment", "nothing"])
def test_a_cut_answer_whose_rest_never_comes(over_tcp):
    with udp(reply(flags=dns.flags.AA | dns.flags.TC), over_tcp) as address:
        status, verdict, seconds = check(address)
    assert (status, verdict["state"]) == (2, "unchecked")
    assert seconds < SECONDS + BUSY


def test_what_dns_says_does_not_reach_the_terminal_as_it_is():
    evil = reply(("smithnet.com.", "MX", r"0 \027]0\;owned\007.smithnet.com."))
    with udp(evil) as address:
        done = subprocess.run(
            ["/usr/bin/python3", "-m", "mxbackup", "check", "--only", "dns", "--server", "111.112.113.114",
             "--nameserver", "{}:{}".format(*address), "smithnet.com"],
            cwd=LIBRARY, env={"PATH": os.environ["PATH"], "ESMITH_ROOT": "/nonexistent"}, capture_output=True)
    assert b"owned" in done.stdout
    assert set(done.stdout + done.stderr) <= set(range(0x20, 0x7f)) | {0x0a}
