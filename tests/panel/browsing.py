"""What a person does with a browser, in the words of these tests."""

import json
import sys

from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

AXE = sys.prefix + "/axe-core/axe.min.js"


def start_chromium(profile):
    """Start a headless Chromium that keeps its things in the folder `profile`; the caller quits it."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--disable-dev-shm-usage", "--hide-scrollbars", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(60)
    return driver


class Browser:
    """A window of a real Chromium."""

    def __init__(self, driver):
        self.driver = driver

    def speak(self, languages):
        """Prefer `languages` (an Accept-Language header) from now on."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        headers = {"Accept-Language": languages}
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers})

    def zoom(self, width, factor, height=900):
        """Make the window `width` pixels of the page wide, each drawn `factor` times as large."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": factor, "mobile": False})

    def open(self, url):
        self.driver.get(url)

    @property
    def text(self):
        return self.driver.find_element(By.TAG_NAME, "body").text

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def field(self, label):
        """The input that `label` (its text, or the beginning of it) belongs to."""
        for element in self.all("label"):
            if element.text.startswith(label):
                return self.find("#" + element.get_attribute("for"))
        raise AssertionError("no field is labelled " + label)

    def type(self, label, text):
        field = self.field(label)
        field.clear()
        field.send_keys(text)

    def press(self, label):
        """Click the button or link that says `label`, or is called so."""
        for element in self.all("button, a"):
            if label in (element.text, element.get_attribute("aria-label")):
                self._leave(element.click)
                return
        raise AssertionError("no button says {}: {}".format(label, [e.text for e in self.all("button, a")]))

    def _leave(self, act):
        """Do what leads to another page, and wait until that has come."""
        self.driver.execute_script("window.left = true")
        act()
        WebDriverWait(self.driver, 60, 0.02).until(lambda driver: driver.execute_script(
            "return !window.left && document.readyState == 'complete'"))

    def keys(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, label):
        """Press Tab until what says `label` has the focus, which must be visible; at most 60 times."""
        for _ in range(60):
            self.keys(Keys.TAB)
            name, outline = self.driver.execute_script("""
                const e = document.activeElement, s = getComputedStyle(e);
                const own = e.labels && e.labels.length ? e.labels[0].innerText : '';
                const name = e.getAttribute('aria-label') || e.innerText || own || '';
                return [name, s.outlineStyle + ' ' + s.outlineWidth];""")
            if name.startswith(label):
                assert outline == "solid 3px", outline
                return
        raise AssertionError("the keyboard does not reach " + label)

    def enter(self):
        """Press Enter and wait for the page that it leads to."""
        self._leave(lambda: self.keys(Keys.ENTER))

    @property
    def light(self):
        """The colour of the lamp that is lit and the word beside it."""
        lit = {"rgb(53, 194, 107)": "green", "rgb(238, 75, 64)": "red"}
        colours = [lit.get(lamp.value_of_css_property("fill")) for lamp in self.all(".light .lamp")]
        assert colours in (["red", None], [None, "green"])
        return next(filter(None, colours)), self.find(".state .word").text

    def fits(self):
        """Whether nothing sticks out to the side."""
        return self.driver.execute_script(
            "const e = document.scrollingElement; return e.scrollWidth <= e.clientWidth"
            " && [...document.querySelectorAll('.mxb *')].every("
            "x => x.getBoundingClientRect().right <= innerWidth + 1)")

    def axe(self):
        """What axe-core finds wrong with the page, as 'RULE: SELECTOR' (list of str)."""
        with open(AXE) as file:
            # In a world of its own: the page's policy allows no script.
            frame = self.driver.execute_cdp_cmd("Page.getFrameTree", {})["frameTree"]["frame"]["id"]
            made = self.driver.execute_cdp_cmd("Page.createIsolatedWorld", {"frameId": frame})
            world = made["executionContextId"]
            self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": file.read(), "contextId": world})
        found = self.driver.execute_cdp_cmd("Runtime.evaluate", {
            "expression": """axe.run(document).then(r => JSON.stringify({n: r.passes.length,
                v: r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.target.join(' ')).join(', '))}))""",
            "contextId": world, "awaitPromise": True, "returnByValue": True})
        result = json.loads(found["result"]["value"])
        assert result["n"] > 10, "axe has run"
        return result["v"]
