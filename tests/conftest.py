import pytest
from sandbox import Sandbox


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
