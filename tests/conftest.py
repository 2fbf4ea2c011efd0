import collections

import needs
import pytest
from sandbox import Sandbox


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*names): skipped, by name, where packaging/needs misses one")


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        needs.require(*mark.args)


def pytest_terminal_summary(terminalreporter):
    """Say what was left out and why, one line a reason: .ci/run repeats these lines."""
    reasons = collections.Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"not run: {count} test{'s'[:count != 1]}, {reason}")


@pytest.fixture
def sandbox(tmp_path):
    """An empty throwaway `/`."""
    return Sandbox(tmp_path)


@pytest.fixture
def host(sandbox):
    """A throwaway `/` with the packages' files and a host called sme.doecom.net that runs qmail."""
    sandbox.plant()
    sandbox.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=sme\n")
    (sandbox / "/var/qmail/control").mkdir(parents=True)
    return sandbox
