"""Where this host stands among a domain's MXs for its own mail server, which need not see what the world sees."""

import socket
from errno import ENETUNREACH

from mxbackup import mailservers
from mxbackup.check.verdict import FAULT, NOTE, UNCHECKED, Finding
from mxbackup.mailservers.shape import Unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List

    from mxbackup.check.exchangers import Exchanger


def check(exchangers: "List[Exchanger]") -> "List[Finding]":
    """Ask each mail server of this host what becomes of mail for a domain with `exchangers`; return findings."""
    findings = []
    for server in mailservers.servers():
        if server.fate and server.applies():
            try:
                for lost, sentence, remedy in server.fate(exchangers):
                    findings.append(Finding("dns", FAULT if lost else NOTE, sentence, remedy))
            except Unknown as error:
                findings.append(Finding("dns", UNCHECKED, f"{server.name} cannot be asked: {error}",
                                        "look at: mxbackup status"))
    if not findings and exchangers and not exchangers[0].own:
        addresses = exchangers[0].addresses
        if addresses and all(":" in address and not _has_route(address) for address in addresses):
            findings.append(Finding(
                "dns", FAULT, f"the primary, {exchangers[0].name}, has IPv6 addresses only, and this host has no "
                              "route to them: mail waits here, and bounces in the end",
                "add an IPv4 address record for the primary, or give this host IPv6"))
    return findings


def _has_route(address: str) -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent by that.
            probe.connect((address, 9))
        except OSError as error:
            return error.errno != ENETUNREACH
    return True
