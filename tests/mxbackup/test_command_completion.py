"""The bash completion of `mxbackup`, in a real bash, and its man page."""

import os
import re
import subprocess

import needs
import pytest
from sandbox import ROOT

COMPLETION = ROOT / "usr/share/bash-completion/completions/mxbackup"
PAGE = ROOT / "usr/share/man/man8/mxbackup.8"


def options(sandbox, command):
    """The long options (set) of a command, as the option lines of its help have them."""
    told = sandbox.run("mxbackup", "help", command).stdout
    return set(re.findall(r"--[a-z][a-z-]+", "\n".join(re.findall(r"^  (-.*?)(?:  |$)", told, re.M))))


@pytest.fixture
def complete(host, tmp_path):
    """Returns what TAB offers (set) after a typed line."""
    needs.require("bash")
    host.run("mxbackup", "add", "smithnet.com", "mail.bar.org", "mx.bar.org", "--no-update")

    def offered(line):
        words = line.split(" ")
        script = (
            f'source {COMPLETION}; COMP_WORDS=("$@"); COMP_CWORD={len(words) - 1}; _mxbackup mxbackup; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", script, "bash", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**host.environment, "PATH": f"{ROOT / 'usr/sbin'}:{os.environ['PATH']}"},
        )
        assert done.stderr == ""
        return set(done.stdout.split())

    return offered


@pytest.mark.parametrize(
    "line, expected",
    [
        ("mxbackup en", {"enable"}),
        ("mxbackup help re", {"remove"}),
        ("mxbackup remove m", {"mail.bar.org", "mx.bar.org"}),
        ("mxbackup remove smithnet.com mai", {"mail.bar.org"}),
        ("mxbackup check s", {"smithnet.com"}),
        ("mxbackup add --d", {"--domain", "--dry-run"}),
        ("mxbackup export --for sme5", {"sme5", "sme55"}),
        ("mxbackup add --from-file li", {"list.txt"}),
        ("mxbackup export --tar li", {"list.txt"}),
        ("mxbackup import li", {"list.txt"}),
        ("mxbackup add x", set()),
        ("mxbackup frobnicate x", set()),
        ("mxbackup check --server s", set()),
    ],
)
def test_what_it_offers(complete, tmp_path, line, expected):
    (tmp_path / "list.txt").touch()
    assert complete(line) == expected


def test_it_offers_every_command_and_option(complete, host):
    commands = complete("mxbackup ")
    assert {"add", "remove", "list", "status", "import", "export", "migrate", "help"} <= commands
    for command in commands - {"help"}:
        assert complete(f"mxbackup {command} --") == options(host, command)


def test_the_man_page_is_well_formed():
    text = PAGE.read_text(encoding="ascii")
    assert text.splitlines()[1].startswith(".TH MXBACKUP 8 ")
    for section in (
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "COMMANDS",
        "FILES",
        "EXIT STATUS",
        "EXAMPLES",
        "SEE ALSO",
    ):
        assert f'\n.SH {section}\n' in text or f'\n.SH "{section}"\n' in text


def test_the_man_page_has_every_command_and_option(sandbox):
    page = PAGE.read_text().replace("\\-", "-")
    overview = sandbox.run("mxbackup", "--help").stdout
    for command in re.findall(r"^  ([a-z]+)  ", overview, re.M):
        section = re.search(rf"^\.SS {command}\b(.*?)(?=^\.S[SH])", page, re.M | re.S)
        assert section, command
        if command in ("check", "panel"):
            continue
        for option in options(sandbox, command) - {"--help"}:
            assert option in section.group(1) or option in page.partition(".SS add")[0], (command, option)
