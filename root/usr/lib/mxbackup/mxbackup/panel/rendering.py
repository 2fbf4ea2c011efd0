"""Pages: Jinja2 templates, everything escaped, in this variant's charset, with headers that protect them."""

from base64 import b64encode
from hashlib import sha256
from os.path import dirname, join

from mxbackup.panel.distributed import jinja2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.lexicon import Lexicon

FOLDER = join(dirname(__file__), "pages")
HTML_LANGUAGE = {"en-us": "en-US", "fr": "fr"}


class Pages:
    """The page templates, for one charset; `render` gives a page, `headers` go with each."""

    def __init__(self, charset: str) -> None:
        self.charset = charset
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )
        with open(join(FOLDER, "style.css"), encoding="ascii") as file:
            self._style = file.read()
        digest = b64encode(sha256(self._style.encode()).digest()).decode()
        # The page's own style is allowed by its hash: a second request would be a second start of the CGI.
        self.headers = (
            ("Content-Type", "text/html; charset=" + charset),
            ("Content-Security-Policy",
             f"default-src 'none'; style-src 'self' 'sha256-{digest}'; img-src 'self'; form-action 'self'; "
             "base-uri 'none'; frame-ancestors 'self'"),
            ("X-Frame-Options", "SAMEORIGIN"),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        )

    def render(self, template: str, lexicon: "Lexicon", **context: object) -> bytes:
        """Return the page (bytes) of `template` (str); what its charset lacks becomes &#NUMBER;."""
        html = self._environment.get_template(template + ".html").render(
            _=lexicon, lang=HTML_LANGUAGE[lexicon.language], charset=self.charset, style=self._style,
            **context)
        return html.encode(self.charset, "xmlcharrefreplace")
