"""Makes docs/panel-*.png, the three main pages in both languages. usage: tests/panel/screenshots.py"""

import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from browsing import Browser, start_chromium  # noqa: E402
from doors import Manager, prepare  # noqa: E402
from sandbox import CHECKOUT, Sandbox  # noqa: E402

VERDICTS = """{"verdicts": {
    "smithnet.com": {"state": "good", "findings": [], "checked": 1795000000},
    "mail.bar.org": {"state": "fault", "checked": 1795000000, "findings": [
        {"part": "dns", "level": "fault", "text": "this host is no MX of it", "remedy": "add one"}]}}}"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        driver = start_chromium(folder + "/profile")
        host = prepare(Sandbox(folder + "/host").plant())
        host.run("db", "configuration", "setprop", "mxbackup", "name",
                 "smithnet.com,1,mail.bar.org,0,xn--bcher-kva.example,0,co.uk,1")
        host.write("/var/lib/mxbackup/verdicts.json", VERDICTS)
        with Manager(host) as door:
            page = Browser(driver)
            for language in "en", "fr":
                page.speak(language)
                page.open(door.url)
                shoot(page, "rules", language)
                page.open(door.url + "create")
                page.find("[name=name]").send_keys("example.net")
                page.find("#domain").click()
                shoot(page, "create", language)
                page.press({"en": "Next", "fr": "Suivant"}[language])
                shoot(page, "confirm", language)
        driver.quit()


def shoot(page, name, language):
    page.zoom(980, 1, 400)
    height = page.find("main").rect["height"]
    page.zoom(980, 1, int(height))
    page.driver.save_screenshot(str(CHECKOUT / "docs" / (f"panel-{name}-{language}.png")))


if __name__ == "__main__":
    main()
