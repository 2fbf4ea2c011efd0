"""Every mail server goes through the same paces, the worked example of docs/mail-servers.md too."""

import re
import shutil

import paces
import pytest
from sandbox import CHECKOUT, ROOT

from mxbackup import mailservers

GUIDE = CHECKOUT / "docs/mail-servers.md"


@pytest.mark.parametrize("pace", paces.ALL, ids=lambda pace: pace.__name__)
@pytest.mark.parametrize("server", mailservers.SERVERS)
def test_the_paces(sandbox, server, pace):
    pace(paces.prepare(sandbox.plant(), server), server)


def test_the_names_of_the_files_lead_to_the_server_that_says_what_they_hold():
    told = {}
    for module in mailservers.SERVERS:
        for file in mailservers.server(module).files:
            told.setdefault(file.name, module)
    assert told == mailservers.WRITERS


@pytest.fixture
def guided(sandbox, monkeypatch):
    """A host with the worked example of the guide: its module, its line in the table, its fragment."""
    sandbox.plant()
    library = sandbox / "/usr/lib/mxbackup"
    library.unlink()
    shutil.copytree(ROOT / "usr/lib/mxbackup", library)
    room = library / "mxbackup/mailservers"
    texts = dict(re.findall(r"`([^`]+)`(?:, where[^:]*)?:?\n\n```[a-z0-9]*\n(.*?)```", GUIDE.read_text(), re.DOTALL))
    (room / "courier.py").write_text(texts.pop("mailservers/courier.py"))
    table = (room / "__init__.py").read_text()
    for line in texts.pop("mailservers/__init__.py").splitlines():
        if line.startswith(" "):
            table = table.replace("WRITERS = {\n", "WRITERS = {\n" + line + "\n")
            continue
        name = line.partition(" ")[0]
        table, found = re.subn(f"^{name} = .*?$", line.replace("\\", r"\\"), table, count=1, flags=re.MULTILINE)
        assert found == 1, line
    (room / "__init__.py").write_text(table)
    for path, text in texts.items():
        sandbox.write("/etc/e-smith/" + path, text.rstrip("\n") if path.startswith("templates/") else text)
    monkeypatch.setitem(paces.PLACES, "courier", {"/etc/courier/esmtpacceptmailfor": ""})
    return paces.prepare(sandbox, "courier")


@pytest.mark.parametrize("pace", paces.ALL, ids=lambda pace: pace.__name__)
def test_the_guide_s_example_goes_through_them(guided, pace):
    pace(guided, "courier")
