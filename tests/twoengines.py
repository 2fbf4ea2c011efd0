"""What a fragment must be like to run under both engines, and the Perl engine's side of it."""

import os
import re
import subprocess

import needs
from sandbox import CHECKOUT

PERL = CHECKOUT / "tests/perl"

_HEAD = re.compile(
    rb"\{# jinja2[^\n{}]*\n"
    rb"\$OUT = `/usr/lib/mxbackup/fragment (?P<path>[^\s`{}]+)`;\n"
    rb"if \(\$\?\) \{\n"
    rb"    open my \$last, '<', '/var/lib/mxbackup/lines/(?P<lines>[^\s'{}]+)' or die \"[^\"\n{}$@]+\";\n"
    rb"    warn \"[^\"\n{}$@]+\";\n"
    rb"    \$OUT = join '', <\$last>;\n"
    rb"\}\n"
    rb"my \$jinja2 = q\{\{ #\}\n"
)
_TAIL = b"{# }} #}"


def shape_faults(path, text):
    """Return what is wrong (list of str) with the shape of a fragment that both engines are to run.

    `path` (str) is its place below /etc/e-smith/templates, as `var/qmail/control/rcpthosts/20QandD`; `text`
    is bytes.
    """
    head = _HEAD.match(text)
    if not head:
        return ["its first lines are not those of docs/fragments.md"]
    faults = []
    if os.fsdecode(head.group("path")) != path:
        faults.append(f"it asks for the fragment {os.fsdecode(head.group('path'))}, and is {path}")
    if head.group("lines") != head.group("path"):
        faults.append(f"where the helper fails it prints the lines of {os.fsdecode(head.group('lines'))}")
    if not text.endswith(_TAIL):
        faults.append(f"it does not end in {_TAIL.decode()} without a newline")
    body = text[head.end() : -len(_TAIL)]
    if b"\\{" in body or b"\\}" in body:
        faults.append("a backslash before a brace means another thing to Perl")
    depth = 0
    for brace in re.findall(rb"[{}]", body):
        depth += 1 if brace == b"{" else -1
        if depth < 0:
            break
    if depth:
        faults.append("the braces of its Jinja2 text are not balanced")
    return faults


def perl(sandbox, command, *arguments, **environment):
    """Run the stand-in Perl engine's `command` (expand-template, signal-event) in the sandbox."""
    needs.require("text-template")
    return subprocess.run(
        [str(PERL / command), *arguments],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=60,
        env={**sandbox.environment, **environment},
    )
