"""The panel as one WSGI application, behind either door: who may come in, and which page answers where."""

import re
from urllib.parse import parse_qsl

from mxbackup.panel import check, create, files, forms, history, lists, removal, rules, session, tokens
from mxbackup.panel.distributed import bottle
from mxbackup.panel.lexicon import Lexicons, charset
from mxbackup.panel.rendering import Pages
from mxbackup.panel.visit import NOBODY, Visit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from mxbackup.panel.login import Door

# Method, address, and what is given the Visit to answer it.
ROUTES = (
    ("GET", "/", rules.show),
    ("POST", "/switch", rules.switch),
    ("GET", "/create", create.show),
    ("POST", "/create", create.check),
    ("POST", "/create/confirm", create.change),
    ("GET", "/remove", removal.show),
    ("POST", "/remove", removal.change),
    ("GET", "/list", lists.show),
    ("POST", "/list", lists.check),
    ("POST", "/list/confirm", lists.change),
    ("GET", "/files", files.show),
    ("POST", "/update", files.update),
    ("GET", "/history", history.show),
    ("POST", "/history", history.take_back),
    ("GET", "/check", check.show),
    ("POST", "/check", check.run),
    ("GET", "/login", session.show),
    ("POST", "/login", session.log_in),
    ("POST", "/logout", session.log_out),
)
# Where whoever has no session may come.
OPEN = ("/login",)
LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?$", re.I)


class Panel:
    """The application. With `door` (login.Door) it has its own login; without, it trusts REMOTE_USER."""

    def __init__(self, door: "Door | None" = None) -> None:
        self._door = door
        self._charset = charset()
        self._pages = Pages(self._charset)
        self._lexicons = Lexicons(self._charset)
        self._app = bottle.Bottle()
        self._app.default_error_handler = _error_page
        for method, path, page in ROUTES:
            self._app.route(path, method, callback=self._callback(page, path in OPEN))

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        if not environ.get("PATH_INFO"):
            environ["PATH_INFO"] = "/"
        # bottle knows a method in any case, and so must whoever asks for a token.
        environ["REQUEST_METHOD"] = environ["REQUEST_METHOD"].upper()
        environ["mxbackup.visit"] = self._admit(environ)
        return self._app(environ, start_response)

    def _admit(self, environ: "WSGIEnvironment") -> Visit:
        """Return the Visit, which tells who asks, and the status of a refusal if it may not be answered."""
        visit = Visit(environ, self._lexicons, self._pages, self._door)
        if not self._door:
            visit.identity = "user " + environ["REMOTE_USER"]
            return visit
        # DNS rebinding: a stranger's page may reach this address, but under the stranger's name.
        if not LOOPBACK.match(environ.get("HTTP_HOST", "")):
            visit.refusal = 421
        origin = environ.get("HTTP_ORIGIN")
        ours = (None, "http://" + environ.get("HTTP_HOST", ""))
        if environ["REQUEST_METHOD"] == "POST" and origin not in ours:
            visit.refusal = 403
        if visit.session and self._door.knows(visit.session):
            visit.identity = "session " + visit.session
        return visit

    def _callback(self, page: "Callable[[Visit], bottle.HTTPResponse]",
                  guest: bool) -> "Callable[[], bottle.HTTPResponse]":
        """Return what bottle calls to have `page` answer, once the visitor has come in."""
        def answer() -> bottle.HTTPResponse:
            visit: Visit = bottle.request.environ["mxbackup.visit"]
            visit.fields = self._enter(visit, guest)
            return page(visit)

        return answer

    def _enter(self, visit: Visit, guest: bool) -> "dict[str, str]":
        """Return the fields of the query or the form; raise the answer to whoever may not ask or change."""
        environ = visit.environ
        if visit.refusal:
            raise visit.error(visit.refusal)
        if self._door and visit.identity == NOBODY and not guest:
            said = "SESSION_ENDED" if visit.session else None
            raise visit.redirect("/login", said, expire=True)
        if environ["REQUEST_METHOD"] != "POST":
            # Of fields of one name the first counts.
            return dict(reversed(parse_qsl(
                environ.get("QUERY_STRING", "")[:20000], keep_blank_values=True, encoding=self._charset)))
        try:
            fields = forms.read(environ, self._charset)
        except forms.FormError as error:
            raise visit.error(error.status) from None
        if not tokens.good(fields.get("token", ""), "form", visit.identity):
            raise visit.error(403)
        return fields


def _error_page(error: "bottle.HTTPError") -> "str | bytes":
    # The exception itself is in the log already: bottle has written it there.
    visit: Visit = bottle.request.environ["mxbackup.visit"]
    answer = visit.error(error.status_code)
    bottle.response.status = error.status_code
    for header, value in answer.headerlist:
        bottle.response.set_header(header, value)
    return answer.body
