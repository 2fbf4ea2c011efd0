"""The how-to's Internet in two network namespaces: the backup MX and its DNS in one, a friend in the other.

111.112.113.114  mail.doecom.net, sme.doecom.net: the backup MX under test
100.99.98.97     mail.smithnet.com: the primary, whose port 25 answers
111.112.113.115  tls.doecom.net and mta-sts.*: TLS servers, where a test starts them
111.112.113.200  a NAT router that the host nat.doecom.net is behind: on no interface
1.2.3.4          the name server (nsd), also what resolv.conf names
200.200.200.200  some.other.computer.on.the.net: where the friend sits
"""

import contextlib
import os
import subprocess
import time

import mailfront
from sandbox import CHECKOUT

NEEDS = "root", "networks", "iproute", "nsd", "mailfront"
SERVER, PRIMARY, DNS, FRIEND = "111.112.113.114", "100.99.98.97", "1.2.3.4", "200.200.200.200"
SECURE, ROUTER = "111.112.113.115", "111.112.113.200"
LIBRARY = CHECKOUT / "root/usr/lib/mxbackup"
PYTHON = "/usr/bin/python3"

# Every zone has this head and `ns` at DNS; MX records name mail.doecom.net where they are as they should be.
HEAD = "$ORIGIN {zone}.\n$TTL 60\n@ SOA ns admin 1 60 60 60 60\n@ NS ns\nns A " + DNS + "\n"
ZONES = {
    "doecom.net": f"mail A {SERVER}\nsme A {SERVER}\n@ MX 0 mail\nalias CNAME mail\ntls A {SECURE}\nnat A {ROUTER}\n",
    "smithnet.com": f"@ MX 0 mail\n@ MX 5 mail.doecom.net.\nmail A {PRIMARY}\nwww CNAME @\n",
    "cw.com": "@ MX 20 mail14.messagelabs.com.\n@ MX 10 mail49.messagelabs.com.\n",
    "messagelabs.com": "mail14 A 100.99.98.94\nmail49 A 100.99.98.95\n",
    "byaddress.org": f"@ MX 0 mail\n@ MX 20 backup\nmail A {PRIMARY}\nbackup A {SERVER}\n",
    "without-us.org": f"@ MX 0 mail\nmail A {PRIMARY}\n",
    "we-are-first.org": f"@ MX 5 mail.doecom.net.\n@ MX 10 mail\nmail A {PRIMARY}\n",
    "same-number.org": f"@ MX 5 mail.doecom.net.\n@ MX 5 mail\nmail A {PRIMARY}\n",
    "only-us.org": "@ MX 5 mail.doecom.net.\n",
    "alias-as-mx.org": f"@ MX 0 mail\nmail A {PRIMARY}\n@ MX 5 alias.doecom.net.\n",
    "address-as-mx.org": f"@ MX 0 {PRIMARY}.\n@ MX 5 mail.doecom.net.\n",
    "null-mx.org": "@ MX 0 .\n",
    "no-mx.org": f"@ A {PRIMARY}\n",
    "no-address.org": "@ MX 0 mail\n@ MX 5 mail.doecom.net.\n",
    "primary-down.org": "@ MX 0 mail\n@ MX 5 mail.doecom.net.\nmail A 100.99.98.99\n",
    "primary-at-home.org": "@ MX 0 mail\n@ MX 5 mail.doecom.net.\nmail A 192.168.1.2\n",
    "ipv6.org": "@ MX 0 mail\n@ MX 5 mail.doecom.net.\nmail AAAA 2001:db8::25\n",
    "long-answer.org": f"mail A {PRIMARY}\n@ MX 0 mail\n@ MX 99 mail.doecom.net.\n" + "".join(
        f"@ MX 50 one-of-very-many-{n}\none-of-very-many-{n} A {PRIMARY}\n" for n in range(60)),
    "circle.org": "@ A 192.0.2.1\na CNAME b\nb CNAME a\n",
    "at-loopback.org": "@ MX 0 mail\n@ MX 5 mail.doecom.net.\nmail A 127.0.0.1\n",
    "wildcard-first.org": "@ MX 0 mail\n@ MX 5 mail.doecom.net.\nmail A 0.0.0.0\n",
    "behind-nat.org": f"@ MX 0 mail\n@ MX 5 backup\nmail A {FRIEND}\nbackup A {ROUTER}\n",
    "elsewhere.org": f"@ MX 0 mail\n@ MX 5 mail.doecom.net.\nmail A {FRIEND}\n",
    "below-us.org": f"@ MX 0 mail\n@ MX 5 mail.doecom.net.\nmail A {PRIMARY}\n* MX 5 mail.doecom.net.\n",
    "smart.org": "@ MX 0 smtp.provider.net.\n@ MX 5 mail.doecom.net.\n",
    "113.112.111.in-addr.arpa": "114 PTR mail.doecom.net.\n117 PTR mail.doecom.net.\n",
    "provider.net": "smtp A 100.99.98.96\n",
}
# Domains with an MTA-STS policy; what it says and how its server behaves is in secure.py.
POLICY = f"@ MX 0 mail\nmail A {PRIMARY}\n_mta-sts TXT \"v=STSv1; id=1;\"\nmta-sts A {SECURE}\n@ MX 5 "
ZONES.update({f"{name}.org": POLICY + "mail.doecom.net.\n" for name in (
    "enforce", "by-wildcard", "lacking", "testing", "off", "no-mode", "wrong-name", "redirecting", "huge", "endless",
    "slow", "silent", "wrong-type")})
ZONES["trusted.org"] = POLICY + "tls.doecom.net.\n"


def write_zones(folder, zones, address, port):
    """Write nsd's configuration for `zones` ({name: records}) on `address` and `port`; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "server:", f"  ip-address: {address}@{port}", f'  zonesdir: "{folder}"', f'  pidfile: "{folder}/pid"',
        f'  logfile: "{folder}/log"', f'  xfrdfile: "{folder}/xfrd"', f'  zonelistfile: "{folder}/zonelist"',
        '  database: ""', '  username: ""', "  server-count: 1", "remote-control:", "  control-enable: no",
    ]
    for zone, records in zones.items():
        (folder / f"{zone}.zone").write_text(HEAD.format(zone=zone) + records)
        lines += ["zone:", f"  name: {zone}", f'  zonefile: "{zone}.zone"']
    (folder / "nsd.conf").write_text("\n".join(lines) + "\n")
    return folder / "nsd.conf"


@contextlib.contextmanager
def serving(folder, control, zones=ZONES, queue=None):
    """A World, its files in `folder`, where nsd answers for `zones` and both mail servers read qmail's `control`.

    What the primary takes goes to files in the folder `queue`/new, or nowhere.
    """
    world = World(folder)
    try:
        world._make()
        world._start_dns(zones)
        with mailfront.start(control, SERVER, 25, inside=world.server), \
                mailfront.start(control, PRIMARY, 25, "mail.smithnet.com", queue=queue, inside=world.server):
            yield world
    finally:
        world.stop()


class World:
    """Both namespaces; `server` and `friend` are the commands that run a command within one."""

    secure = SECURE

    def __init__(self, folder):
        self.folder = folder
        self._processes = []

    def _make(self):
        resolv = self.folder / "resolv.conf"
        resolv.write_text(f"nameserver {DNS}\noptions timeout:2 attempts:1\n")
        self.server, server = self._namespace(resolv)
        self.friend, friend = self._namespace(resolv)
        self._run(self.server, "ip", "link", "add", "toward", "type", "veth",
                  "peer", "name", "toward", "netns", str(friend))
        for inside, addresses in ((self.server, (SERVER, PRIMARY, DNS, SECURE)), (self.friend, (FRIEND,))):
            self._run(inside, "ip", "link", "set", "lo", "up")
            self._run(inside, "ip", "link", "set", "toward", "up")
            for address in addresses:
                self._run(inside, "ip", "address", "add", address + "/32", "dev", "lo")
            self._run(inside, "ip", "route", "add", "default", "dev", "toward", "src", addresses[0])

    def _namespace(self, resolv):
        ready = "mount --bind \"$0\" /etc/resolv.conf && echo ready && exec sleep 3600"
        process = subprocess.Popen([str(CHECKOUT / "packaging/apart"), "--net", "sh", "-c", ready, str(resolv)],
                                   stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return ["nsenter", "-t", str(process.pid), "-n", "-m", "-r", "-w", "--"], process.pid

    def _run(self, inside, *command):
        subprocess.run([*inside, *command], check=True, timeout=10)

    def run(self, inside, *command):
        """Run `command` in the namespace `inside` to its end."""
        return subprocess.run([*inside, *command], capture_output=True, timeout=10)

    def start(self, inside, *command):
        """Run `command` in the namespace `inside` until the world ends; return the process."""
        process = subprocess.Popen([*inside, *map(str, command)], stdin=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def _start_dns(self, zones):
        """Start nsd on `zones`, and return when it answers."""
        configuration = write_zones(self.folder / "zones", zones, DNS, 53)
        self.start(self.server, "nsd", "-d", "-c", str(configuration))
        ask = ("import dns.query, dns.message\n"
               f"dns.query.udp(dns.message.make_query('smithnet.com', 'MX'), '{DNS}', timeout=1)")
        asked = [*self.server, PYTHON, "-c", ask]
        wait_for(lambda: subprocess.run(asked, stderr=subprocess.DEVNULL).returncode == 0)

    def check(self, *arguments, inside=None, timeout=60, environment=None, python=PYTHON):
        """Run `python3 -m mxbackup check` as a friend does, with nothing installed."""
        # To enter a mount namespace is to leave the working folder.
        return subprocess.run(
            [*(inside or self.friend), "sh", "-c", 'cd "$0" && exec "$@"', str(LIBRARY),
             python, "-m", "mxbackup", "check", *arguments],
            env={"PATH": os.environ["PATH"], **(environment or {})}, timeout=timeout,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def stop(self):
        for process in reversed(self._processes):
            process.terminate()
            process.wait(10)
            if process.stdout:
                process.stdout.close()


def wait_for(condition, seconds=30):
    """Wait until `condition()` is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not start in time"
        time.sleep(0.05)
