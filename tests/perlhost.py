"""Turns a sandbox into an SME server: the Perl engine's commands, without what e-smith-python alone has."""

import os
import shutil

import needs
from twoengines import PERL

CORE = "10own-domains", "10smart-host"


def make(sandbox):
    """Give `sandbox` (planted) the Perl engine as its own; returns it."""
    needs.require("text-template")
    for folder, _, names in os.walk(sandbox / "/etc/e-smith/templates"):
        for name in set(names) & set(CORE):
            os.unlink(os.path.join(folder, name))
    shutil.rmtree(sandbox / "/etc/e-smith/templates.metadata")
    for name in ("expand-template", "signal-event"):
        sandbox.write(f"/sbin/e-smith/{name}", f'#!/bin/sh\nexec {PERL / name} "$@"\n', 0o755)
    return sandbox
