import shutil
import subprocess

import needs
import pytest
from browsing import Browser, start_chromium
from doors import Manager, Own, prepare
from sandbox import CHECKOUT, ROOT, Sandbox


@pytest.fixture
def panel_host(sandbox, monkeypatch):
    """A throwaway `/` with the how-to's two rules; ESMITH_ROOT names it in this process too."""
    monkeypatch.setenv("ESMITH_ROOT", str(sandbox.path))
    return prepare(sandbox.plant())


@pytest.fixture
def latin_host(tmp_path):
    """The same, of the ISO-8859-1 variant, made by what makes the package."""
    sandbox = Sandbox(tmp_path / "latin")
    source = sandbox / "/source"
    shutil.copytree(ROOT, source / "root", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([CHECKOUT / "packaging/transcode", "ISO-8859-1", source], check=True)
    shutil.copytree(source / "root/etc", sandbox / "/etc", symlinks=True)
    (sandbox / "/usr/lib").mkdir(parents=True)
    (sandbox / "/usr/lib/mxbackup").symlink_to(source / "root/usr/lib/mxbackup")
    return prepare(sandbox)


@pytest.fixture
def manager(panel_host):
    """The panel in the server-manager."""
    with Manager(panel_host) as door:
        yield door


@pytest.fixture
def latin_manager(latin_host):
    """The panel in the server-manager of a host whose charset is ISO-8859-1."""
    with Manager(latin_host) as door:
        yield door


@pytest.fixture
def own(panel_host):
    """The panel's own server; nobody is logged in."""
    with Own(panel_host) as door:
        yield door


@pytest.fixture(params=[Manager, Own], ids=["manager", "own"])
def door(request, panel_host):
    """Either door, entered."""
    with request.param(panel_host) as door:
        if isinstance(door, Own):
            assert door.log_in().status == 303
        yield door


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """One headless Chromium for all tests of a run."""
    needs.require("chromium", "chromedriver")
    driver = start_chromium(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(chromium):
    """The browser as a new user has it: English, an ordinary window; afterwards its console must be clean."""
    page = Browser(chromium)
    page.speak("en-US")
    page.zoom(1100, 1)
    yield page
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    for window in chromium.window_handles[1:]:
        chromium.switch_to.window(window)
        chromium.close()
    chromium.switch_to.window(chromium.window_handles[0])
    complaints = [entry["message"] for entry in chromium.get_log("browser")
                  if "the server responded with a status of 4" not in entry["message"]]
    chromium.get("about:blank")
    assert complaints == []
