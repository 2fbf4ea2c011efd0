"""Whether mail that this host takes as a backup can come back to it by way of its smart host."""

import os

from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup.check.relay import below
from mxbackup.check.verdict import FAULT, GOOD, NOTE, UNCHECKED, Finding
from mxbackup.network.address import LookupFailed, parse_address, printable


def routes():
    """Return {path: {name: relay}} of each smtproutes file of this host; names are in lower case.

    A file that is not there, or is none, has no entries of ours: None.
    """
    from mxbackup import targets
    found = {}
    for target in targets.applying():
        if target.name == "smtproutes":
            found[target.path] = None
            # What is no file, as a pipe, could keep us for ever.
            if os.path.isfile(rooted(target.path)):
                with open(rooted(target.path), encoding="utf-8", errors="replace") as lines:
                    found[target.path] = _parse(lines)
    return found


def _parse(lines):
    parsed = {}
    for line in lines:
        name, colon, relay = line.strip().partition(":")
        if colon and not name.startswith("#"):
            parsed[name.lower()] = relay
    return parsed


def route(table, host):
    """Return the relay (str, "" for DNS) that `table` gives for mail to `host`, as qmail-remote(8) does."""
    labels = host.split(".")
    keys = [host] + ["." + ".".join(labels[start:]) for start in range(1, len(labels))] + [""]
    return next((table[key] for key in keys if key in table), "")


def check(domain, kind, smart_host, tables, exchangers, smart_addresses):
    """Follow mail for `domain` on its way out; return findings.

    `smart_host` is "" where none is set. `tables` is what routes() returned, `exchangers` what
    exchangers.check() did, `smart_addresses` a set of addresses as network.parse_address returns them.
    """
    findings = []

    def found(level, text, remedy=""):
        findings.append(Finding("loop", level, text, remedy))

    if not smart_host:
        found(GOOD, "no smart host is set: mail goes out by DNS")
        return findings
    for path, table in tables.items():
        if table is None:
            found(UNCHECKED, f"{rooted(path)} is no file: which way mail goes out is not known",
                  "run: signal-event mxbackup-update")
            continue
        for host in [domain] + ([below(domain)] if kind == "DOMAIN" else []):
            relay = route(table, host)
            if relay and _host(relay) == _host(smart_host):
                found(FAULT, f"{path} sends mail for {host} to the smart host {smart_host}, "
                             "which sends it back here",
                      "run: signal-event mxbackup-update, and look for lines of your own there")
            elif relay:
                found(NOTE, f"{path} sends mail for {host} to {relay}, not by DNS")
            elif host == domain:
                found(GOOD, f"{path} sends mail for {domain} by DNS, not to the smart host")
    for exchanger in exchangers:
        shared = smart_addresses & set(map(parse_address, exchanger.addresses))
        if shared or exchanger.name == _host(smart_host):
            found(FAULT, f"the smart host {smart_host} is an MX of {domain} "
                         f"({exchanger.preference} {exchanger.name}): mail can go round between them",
                  "take it out of the domain's MX records, or use another smart host")
    return findings


def addresses(smart_host, directory, deadline):
    """Return (the set of addresses of `smart_host`, findings on why there are none)."""
    name = _host(smart_host)
    if parse_address(name):
        return {parse_address(name)}, []
    try:
        return set(map(parse_address, directory.addresses(name, deadline)[0])), []
    except (EsmithError, LookupFailed) as error:
        return set(), [Finding("loop", UNCHECKED, f"the smart host {printable(name)}: {error}", "try again")]


def _host(relay):
    """Return the host of HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT, in lower case."""
    if relay.startswith("["):
        return relay[1:].partition("]")[0].lower()
    return relay.partition(":")[0].lower().rstrip(".")
