"""nsd and mailfront on ports of 127.0.0.1, without a network namespace."""

import contextlib
import socket
import subprocess

import mailfront
import needs
from world import wait_for, write_zones

RECORDS = "@ MX 0 mail\n@ MX 5 sme.doecom.net.\nmail A 192.168.0.1\n"


@contextlib.contextmanager
def name_server(folder, zones):
    """Run nsd on `zones` ({name: records}); gives ADDRESS:PORT."""
    needs.require("nsd")
    # Another process may take the port in between, for TCP or for UDP: then another is tried.
    for _ in range(5):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        configuration = write_zones(folder / "zones", zones, "127.0.0.1", port)
        process = subprocess.Popen(["nsd", "-d", "-c", str(configuration)], stdin=subprocess.DEVNULL)
        try:
            wait_for(lambda process=process, port=port: process.poll() is not None or _answers(port))
            if process.poll() is None:
                yield f"127.0.0.1:{port}"
                return
        finally:
            process.terminate()
            process.wait(10)
    raise RuntimeError(f"nsd did not start: {folder / 'zones/log'}")


def _answers(port):
    """Tell whether a name server, and nobody else, is there."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(1)
        client.send(b"\x12\x34" + bytes(10))
        return client.recv(512)[:2] == b"\x12\x34"
    return False


@contextlib.contextmanager
def many_domains(folder, count):
    """Make a host with `count` rules, its DNS and mailfront in `folder`; gives arguments and environment."""
    domains = [f"domain{n}.org" for n in range(count)]
    database = folder / "home/e-smith/db"
    database.mkdir(parents=True)
    (database / "configuration").write_text(
        "DomainName=doecom.net\nSystemName=sme\n"
        f"mxbackup=service|name|{','.join(f'{domain},1' for domain in domains)}|status|enabled\n")
    control = folder / "var/qmail/control"
    control.mkdir(parents=True)
    (control / "rcpthosts").write_text("sme.doecom.net\n" + "".join(f"{d}\n.{d}\n" for d in domains))
    zones = {**dict.fromkeys(domains, RECORDS), "doecom.net": "sme A 192.168.0.2\n"}
    with name_server(folder, zones) as dns, mailfront.start(control) as server:
        command = ["check", "--server", "{}:{}".format(*server.address), "--nameserver", dns]
        yield [*command, "--only", "smtp", "--only", "dns", "--only", "loop"], {"ESMITH_ROOT": str(folder)}
