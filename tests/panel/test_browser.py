"""The panel as a person uses it, in a real headless Chromium, through both doors."""

import threading

import pytest
from doors import PASSWORD, Own
from test_pages import entries, names

from mxbackup.panel import login

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture
def opened(door, browser):
    """The browser at the first page of either door, logged in there by hand."""
    browser.open(door.url)
    if isinstance(door, Own):
        browser.type("Password", PASSWORD)
        browser.press("Log in")
    return browser


def test_create_confirm_and_see_it_in_rcpthosts_then_disable_and_remove(opened, panel_host):
    assert opened.light == ("green", "MX Backup is enabled")
    opened.press("Create a new MX-Backup rule")
    opened.type("Internet name", "Example.net")
    opened.field("DOMAIN").click()
    opened.press("Next")
    assert "Check the new rule" in opened.text and "example.net\n.example.net" in opened.text
    assert "example.net" not in names(panel_host)
    opened.press("Add")
    assert "example.net was added." in opened.find("[role=status]").text
    assert {"example.net", ".example.net"} <= set(entries(panel_host))

    opened.press("Disable MX Backup")
    assert opened.light == ("red", "MX Backup is disabled")
    assert not {"example.net", "smithnet.com", "mail.bar.org"} & set(entries(panel_host))
    opened.press("Enable MX Backup")
    assert opened.light == ("green", "MX Backup is enabled")
    assert {"example.net", "smithnet.com", "mail.bar.org"} <= set(entries(panel_host))

    opened.press("Remove example.net")
    assert "Remove this rule?" in opened.text
    opened.press("Cancel")
    opened.press("Remove example.net")
    opened.press("Remove")
    assert "example.net was removed." in opened.find("[role=status]").text
    assert "example.net" not in entries(panel_host) and "smithnet.com" in entries(panel_host)


def test_a_bad_name_and_a_public_suffix(opened, panel_host):
    before = names(panel_host)
    opened.press("Create a new MX-Backup rule")
    for typed, kind, reason in (("bad_name.org", "HOST", "letters, digits, hyphens and dots only"),
                                ("co.uk", "DOMAIN", "open the relay to them all")):
        opened.type("Internet name", typed)
        opened.field(kind).click()
        opened.press("Next")
        field = opened.field("Internet name")
        error = opened.find("#" + field.get_attribute("aria-describedby").split()[0])
        assert reason in error.text and field.get_attribute("value") == typed
        assert field.get_attribute("aria-invalid") == "true" and opened.field(kind).is_selected()
        assert 0 < error.location["y"] - field.location["y"] < 80, "the error is beside the field"
    assert names(panel_host) == before


def test_a_list_from_a_file(opened, panel_host, tmp_path):
    listed = tmp_path / "friends.txt"
    listed.write_text("# friends\na.example\n.b.example\n")
    opened.press("Add a list of rules")
    opened.field("Or a file").send_keys(str(listed))
    opened.press("Next")
    assert "Check the new rules: 2" in opened.text
    opened.press("Add")
    assert "Rules that were added: 2." in opened.text
    assert {"a.example", "b.example", ".b.example"} <= set(entries(panel_host))


def test_two_windows_that_change_the_same_rule(opened, panel_host):
    driver = opened.driver
    opened.press("Remove smithnet.com")
    here = driver.current_window_handle
    address = driver.current_url
    driver.switch_to.new_window("tab")
    opened.speak("en-US")
    opened.open(address)
    opened.press("Remove")
    assert "smithnet.com was removed." in opened.text
    driver.switch_to.window(here)
    opened.press("Remove")
    assert "it was removed already" in opened.find("[role=alert]").text
    assert names(panel_host) == "mail.bar.org,0"


def test_french(opened, panel_host):
    opened.speak("fr-FR,fr;q=0.9,en;q=0.5")
    opened.driver.refresh()
    assert opened.light == ("green", "Le MX de secours est activé")
    opened.press("Créer une nouvelle règle de secours")
    opened.type("Nom Internet", "co.uk")
    opened.field("DOMAIN").click()
    opened.press("Suivant")
    assert "suffixe public" in opened.text
    opened.type("Nom Internet", "éléphant.example")
    opened.press("Suivant")
    assert "Vérifiez la nouvelle règle" in opened.text and "éléphant.example" in opened.text
    opened.press("Ajouter")
    assert "xn--lphant-9uab.example a été ajouté." in opened.find("[role=status]").text
    assert ".xn--lphant-9uab.example" in entries(panel_host)
    assert opened.find("html").get_attribute("lang") == "fr"


def test_iso_8859_1(latin_manager, latin_host, browser):
    browser.speak("fr")
    browser.open(latin_manager.url)
    assert browser.driver.execute_script("return document.characterSet") in ("ISO-8859-1", "windows-1252")
    assert "Le MX de secours est activé" in browser.text and "Créer une nouvelle règle" in browser.text
    for typed, kept in (("bücher.example", "xn--bcher-kva.example"),
                        ("łódź.example", "xn--d-uga0v4h.example")):
        browser.open(latin_manager.url + "create")
        browser.type("Nom Internet", typed)
        browser.press("Suivant")
        assert kept in browser.text and typed in browser.text
        browser.press("Ajouter")
        assert kept in entries(latin_host)


def test_the_manager_s_frame_lets_it_in_and_no_other(manager, panel_host, browser):
    panel_host.write("/web/frame.html", f'<iframe src="{manager.base}/" width="900" height="600"></iframe>')
    browser.open(manager.url)  # whoever sees the frame is logged in
    browser.open(f"http://127.0.0.1:{manager.port}/frame.html")
    browser.driver.switch_to.frame(0)
    assert browser.light[0] == "green"
    browser.press("Disable MX Backup")
    assert browser.light[0] == "red"
    browser.driver.switch_to.default_content()
    address = f"http://127.0.0.1:{manager.port}{manager.base}/"
    browser.open(f"data:text/html,<iframe src='{address}'></iframe>")
    browser.driver.switch_to.frame(0)
    assert not browser.all(".mxb")
    browser.driver.switch_to.default_content()
    browser.driver.get_log("browser")  # it says that the frame was refused


def test_log_in_wrong_password_and_log_out(own, browser):
    browser.open(own.url + "create")
    assert browser.driver.current_url.endswith("/login")
    browser.type("Password", "wrong")
    browser.press("Log in")
    assert "That is not the password. Wait" in browser.find("#password-error").text
    assert browser.field("Password").get_attribute("value") == ""
    threading.Event().wait(1.1)
    browser.type("Password", PASSWORD)
    browser.press("Log in")
    assert browser.light[0] == "green"
    browser.press("Log out")
    assert "You are logged out." in browser.text
    browser.driver.back()
    browser.driver.refresh()
    assert "smithnet.com" not in browser.text


@pytest.mark.filterwarnings("ignore:'cgi' is deprecated")  # by the distribution's bottle
def test_an_expired_session(panel_host, browser):
    from mxbackup.panel.application import Panel
    from mxbackup.panel.server import Server

    login.set_password(PASSWORD)
    now = [0.0]
    with Server(0, Panel(login.Door(lambda: now[0]))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            browser.open(f"http://127.0.0.1:{server.server_port}/")
            browser.type("Password", PASSWORD)
            browser.press("Log in")
            assert browser.light[0] == "green"
            now[0] += login.IDLE + 1
            browser.press("Disable MX Backup")
            assert "Your session has ended. Log in again; nothing was changed." in browser.text
            assert "status|enabled" in panel_host.read("/home/e-smith/db/configuration")
            browser.type("Password", PASSWORD)
            browser.press("Log in")
            assert browser.light[0] == "green"
        finally:
            server.shutdown()
            thread.join()


PAGES = ["", "create", "list", "files", "remove?name=smithnet.com", "check", "nowhere"]


def in_every_state(page, door, act):
    """Call `act(what)` on each page of the panel, forms with errors and summaries among them."""
    for path in PAGES:
        page.open(door.url + path)
        act(path)
    page.open(door.url + "create")
    page.find("[name=name]").send_keys("a" * 60 + "_" + "b" * 40)
    page.press("Next")
    act("create with an error")
    page.find("[name=name]").clear()
    page.find("[name=name]").send_keys("a" * 60 + "." + "b" * 60 + ".example")
    page.press("Next")
    act("create, summary")
    page.open(door.url + "list")
    page.find("textarea").send_keys("a_b\n" + "c" * 90 + "_\n")
    page.press("Next")
    act("list with errors")


def test_nothing_sticks_out_at_320_pixels_and_at_200_percent(opened, door, panel_host):
    panel_host.run("db", "configuration", "setprop", "mxbackup", "name",
                   "co.uk,1,smithnet.com,1,{}.{}.org,0".format("a" * 63, "b" * 63))
    for width, factor in ((320, 1), (620, 1), (640, 2)):
        opened.zoom(width, factor)
        in_every_state(opened, door, lambda what: pytest.fail(what) if not opened.fits() else None)


def test_axe_finds_no_violation(opened, door, panel_host):
    panel_host.run("db", "configuration", "setprop", "mxbackup", "name",
                   "co.uk,1,smithnet.com,1,mail.bar.org,0")
    panel_host.write("/var/lib/mxbackup/verdicts.json", """{"verdicts": {
        "": {"name": "sme", "kind": "SERVER", "state": "good", "findings": [], "checked": 1700000000},
        "smithnet.com": {"state": "fault", "checked": 1700000000, "findings": [
            {"part": "dns", "level": "fault", "text": "no MX", "remedy": "add one"}]},
        "mail.bar.org": {"state": "good", "checked": 1700000000, "findings": []}}}""")
    found = []
    in_every_state(opened, door, lambda what: found.extend((what, violation) for violation in opened.axe()))
    opened.open(door.url)
    opened.press("Disable MX Backup")
    found.extend(("disabled", violation) for violation in opened.axe())
    if isinstance(door, Own):
        opened.press("Log out")
        found.extend(("login", violation) for violation in opened.axe())
    assert found == []


def test_the_keyboard_alone(door, panel_host, browser):
    from selenium.webdriver.common.keys import Keys

    browser.open(door.url)
    if isinstance(door, Own):
        browser.keys(PASSWORD)  # the only field has the focus
        browser.enter()
    browser.tab_to("Create a new MX-Backup rule")
    browser.enter()
    browser.keys("example.net", Keys.TAB, Keys.ARROW_DOWN)
    browser.tab_to("Next")
    browser.enter()
    browser.tab_to("Add")
    browser.enter()
    assert {"example.net", ".example.net"} <= set(entries(panel_host))
    browser.tab_to("Remove example.net")
    browser.enter()
    browser.tab_to("Remove")
    browser.enter()
    assert "example.net" not in entries(panel_host)
    browser.tab_to("Disable MX Backup")
    browser.enter()
    assert browser.light == ("red", "MX Backup is disabled")
