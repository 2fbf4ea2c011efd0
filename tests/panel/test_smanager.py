"""The panel in SME 11's server-manager, which a stand-in of ours is: tests/perl/smanager.pl; the browser is real."""

import shutil
import socket
import subprocess

import pytest
from doors import RULES
from sandbox import CHECKOUT, ROOT
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.support.wait import WebDriverWait
from throwaway_root import ThrowawayRoot
from twoengines import PERL

pytestmark = pytest.mark.needs("perl", "text-template", "mojolicious", "mounts", "root", "chromium", "chromedriver")

RCPTHOSTS = "/var/service/qpsmtpd/config/rcpthosts"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def sme_11():
    """An SME 11 in a throwaway root, with the stand-ins for its engine and its manager; `url` is the manager's."""
    with ThrowawayRoot() as root:
        for place in ("etc", "usr/lib/mxbackup", "usr/share/smanager"):
            shutil.copytree(ROOT / place, root / f"/{place}", symlinks=True, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([CHECKOUT / "packaging/lexicons", root / "/"], check=True)
        (root / "/sbin/e-smith").mkdir(parents=True)
        for name in ("Engine.pm", "expand-template", "signal-event"):
            shutil.copy(PERL / name, root / f"/sbin/e-smith/{name}")
        for core in (root / "/etc/e-smith/templates").rglob("10*"):
            core.unlink()
        (root / "/usr/share/smanager/themes/default/public/images").mkdir()
        logo = root / "/usr/share/smanager/themes/default/public/images/logo.png"
        shutil.copy(CHECKOUT / "docs/panel-rules-en.png", logo)
        controller = root / "/usr/share/smanager/lib/SrvMngr/Controller/Mxbackup.pm"
        controller.write_text(controller.read_text().replace("$SECONDS = 110", "$SECONDS = 20"))
        root.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=sme\n" + RULES)
        root.write(f"/etc/e-smith/templates{RCPTHOSTS}/10standard", "doecom.net\n")
        root.write(RCPTHOSTS, "")
        shutil.copy(PERL / "smanager.pl", root / "/root/smanager.pl")
        port = free_port()
        log = root / "/root/log"
        with open(log, "wb") as said:
            running = root.popen(
                ["perl", "-I/usr/share/smanager/lib", "/root/smanager.pl", "daemon", "-l", f"http://127.0.0.1:{port}"],
                stdout=said, stderr=said)
        root.url = f"http://127.0.0.1:{port}/smanager"
        yield root
        running.terminate()
        running.wait(10)


@pytest.fixture
def manager_2(sme_11, browser):
    """A browser in that manager, logged in as admin."""
    WebDriverWait(None, 30, 0.1).until(lambda _: answers(sme_11))
    browser.open(sme_11.url + "/login")
    browser.type("User", "admin")
    browser.press("Login")
    return browser


def answers(root):
    with socket.socket() as probe:
        port = int(root.url.rpartition(":")[2].partition("/")[0])
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lines(root):
    return [line for line in root.read(RCPTHOSTS).splitlines() if line and not line.startswith("#")]


def shown_by_its_own_sheet(browser):
    button = browser.find(".mxb .button")
    return button.value_of_css_property("border-radius") == "6px"


def test_an_administrator_creates_disables_checks_and_removes_a_rule(sme_11, manager_2):
    browser = manager_2
    browser.press("MX Backup")
    assert browser.driver.title == "MX Backup" and shown_by_its_own_sheet(browser)
    assert browser.find("header img").get_property("naturalWidth") > 0
    assert browser.light[0] == "green"
    browser.press("Create a new MX-Backup rule")
    browser.type("Internet name", "new.example.org")
    browser.press("Next")
    assert browser.find("header img").get_property("naturalWidth") > 0
    browser.press("Add")
    assert "new.example.org" in browser.text
    assert lines(sme_11) == ["doecom.net", "smithnet.com", ".smithnet.com", "mail.bar.org", "new.example.org"]
    browser.press("Disable MX Backup")
    assert browser.light[0] == "red" and lines(sme_11) == ["doecom.net"]
    browser.press("Enable MX Backup")
    assert "new.example.org" in lines(sme_11)
    browser.press("Check new.example.org")
    assert "new.example.org" in browser.find(".mxb table").text
    browser.open(sme_11.url + "/mxbackup")
    browser.press("Remove new.example.org")
    browser.press("Remove")
    assert "new.example.org" not in lines(sme_11)
    assert "new.example.org" not in browser.find(".mxb table").text


def test_in_french_menu_and_pages_are_french(sme_11, manager_2):
    browser = manager_2
    browser.speak("fr-FR,fr;q=0.9")
    browser.open(sme_11.url + "/initial")
    browser.press("MX de secours")
    assert browser.driver.title == "MX de secours" and "Le MX de secours est activé" in browser.text


def test_a_list_is_uploaded_and_an_address_with_an_accent_arrives(sme_11, manager_2, tmp_path):
    browser = manager_2
    (tmp_path / "list.txt").write_text("one.example.org\nbücher.example\n")
    browser.open(sme_11.url + "/mxbackup?at=list")
    browser.find("#file").send_keys(str(tmp_path / "list.txt"))
    browser.press("Next")
    assert "one.example.org" in browser.text and "xn--bcher-kva.example" in browser.text
    browser.press("Add")
    assert {"one.example.org", "xn--bcher-kva.example"} <= set(lines(sme_11))


def test_a_form_without_the_managers_token_changes_nothing(sme_11, manager_2):
    browser = manager_2
    browser.open(sme_11.url + "/mxbackup")
    before = lines(sme_11)
    browser.driver.execute_script("document.querySelector('.state input[name=csrf_token]').remove()")
    browser.find(".state button").click()
    # The page may change while it is read.
    waiting = WebDriverWait(browser.driver, 30, 0.1, [StaleElementReferenceException])
    waiting.until(lambda driver: "Forbidden!" in browser.text)
    assert lines(sme_11) == before


def test_whoever_is_no_administrator_sees_nothing_of_it(sme_11, manager_2):
    browser = manager_2
    browser.open(sme_11.url + "/login")
    browser.type("User", "john")
    browser.press("Login")
    browser.open(sme_11.url + "/mxbackup")
    assert "/login" in browser.driver.current_url and not browser.all(".mxb")


@pytest.mark.parametrize("page, says", [
    ("exit 1", "Something failed on the server."),
    ("printf 'Status: 200 OK\\r\\nContent-Type: text/html; charset=UTF-8\\r\\n\\r\\n<p>torn'", "Something failed"),
    ("head -c 20000000 /dev/zero", "Something failed"),
    ("exec sleep 600", "This takes longer than the manager waits."),
])
def test_a_page_that_fails_is_told_in_the_managers_layout(sme_11, manager_2, page, says):
    place = sme_11 / "/etc/e-smith/web/functions/mxbackup"
    good = place.read_text()
    try:
        place.write_text(f"#!/bin/sh\n{page}\n")
        manager_2.open(sme_11.url + "/mxbackup")
        assert says in manager_2.text
    finally:
        place.write_text(good)
        # Chromium tells its console of each page with such a status.
        manager_2.driver.get_log("browser")


@pytest.mark.parametrize("head, status", [
    ("Content-Type: text/csv; charset=UTF-8\\r\\nContent-Disposition: attachment; filename=\"rules.csv\"", 200),
    ("Content-Type: text/plain; charset=UTF-8", 403),
])
def test_what_is_no_page_passes_as_it_is(sme_11, manager_2, head, status):
    place = sme_11 / "/etc/e-smith/web/functions/mxbackup"
    good = place.read_text()
    try:
        place.write_text(f"#!/bin/sh\nprintf 'Status: {status} x\\r\\n{head}\\r\\n\\r\\n\\303\\251,1\\n'\n")
        manager_2.open(sme_11.url + "/initial")
        got = manager_2.driver.execute_async_script("""
            const done = arguments[0];
            fetch('/smanager/mxbackup?at=x').then(async a => done(
                [a.status, a.headers.get('Content-Type'), a.headers.get('Content-Disposition'), await a.text()]))""")
        assert got[0] == status and got[1] in head and got[3] == "é,1\n"
        assert got[2] is None or got[2] in head
    finally:
        place.write_text(good)
        manager_2.driver.get_log("browser")
