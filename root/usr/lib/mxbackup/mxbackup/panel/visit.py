"""One request: who asks, in which language, for what; and all that a page or form answers with."""

import re
import sys
from urllib.parse import parse_qsl, urlencode

from esmith.database import Database
from esmith.errors import EsmithError
from mxbackup.mailfiles import change
from mxbackup.mailfiles.actor import Actor
from mxbackup.panel import mailfiles, manager, tokens
from mxbackup.panel.distributed import bottle
from mxbackup.terminal import WrongUse, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from _typeshed.wsgi import WSGIEnvironment

    from mxbackup.panel.lexicon import Lexicon, Lexicons
    from mxbackup.panel.login import Door
    from mxbackup.panel.rendering import Pages


NOBODY = "nobody"  # the identity of whoever has no session
FORM_LIFETIME = 8 * 3600  # seconds a form may lie open
MESSAGE_LIFETIME = 120  # seconds an address may show a message
COOKIE = "mxbackup_session"
REASON = 500  # characters of why an event failed: it travels in an address
# Reasons that name what they are about: their beginning, with what the entry's fields stand for, and that entry.
REASONS = (
    ("is no internationalised name ", "is no internationalised name"),
    ("its flag is ", "its flag is neither 0 (HOST) nor 1 (DOMAIN)"),
    ("is a mail address; ", "is a mail address"),
    ("is a URL; ", "is a URL"),
    ("for .* and everything below it: ", "is a pattern"),
    ("this host delivers its mail itself, by (?P<who>.*)", "this host delivers its mail itself, by {who}"),
    ("is a (HOST|DOMAIN) here and a ", "is of both kinds in one list"),
)


class Message:
    """What a page says of the last change: a `text`, `wrong` or not, and further lines as `details`."""

    def __init__(self, text: str, wrong: bool = False, details: "Sequence[str]" = ()) -> None:
        self.text, self.wrong, self.details = text, wrong, details


class Visit:
    """A request on its way to an answer. What a page may count on:

    `fields`, a dict of those of the query, or of the form; `lexicon`, that of the reader's language; and `door`,
    the login.Door, or None in the server-manager. Before a page is asked, `identity` says who comes, and
    `refusal` is the HTTP status where nobody may be answered.
    """

    def __init__(self, environ: "WSGIEnvironment", lexicons: "Lexicons", pages: "Pages",
                 door: "Door | None") -> None:
        self.environ = environ
        self.door = door
        self.fields: dict[str, str] = {}
        self.identity = NOBODY
        self.refusal: int | None = None
        self._lexicons = lexicons
        self._pages = pages

    @property
    def session(self) -> str:
        """The session that the browser names, open or not; "" for none."""
        found = re.search(f"(?:^|; ){COOKIE}=([0-9a-f]{{48}})(?:;|$)", self.environ.get("HTTP_COOKIE", ""))
        return found.group(1) if found else ""

    @property
    def lexicon(self) -> "Lexicon":
        return self._lexicons.liked(self.environ.get("HTTP_ACCEPT_LANGUAGE", ""))

    # Answers

    def page(self, template: str, status: int = 200, **context: object) -> "bottle.HTTPResponse":
        """Return the page of `template`, which is given the `context`."""
        context.setdefault("said", None)
        if "token" not in context:
            context["token"] = tokens.make("form", self.identity, FORM_LIFETIME)
        body = self._pages.render(
            template, self.lexicon, base=self._base,
            frame=manager.Frame() if self.door else manager.frame(self._pages.charset),
            host=_host() if self.door else "",
            may_log_out=bool(self.door and context["token"] and self.identity != NOBODY), **context)
        answer = self._answer(body, status)
        answer.add_header("Vary", "Accept-Language")
        return answer

    def error(self, status: int) -> "bottle.HTTPResponse":
        """Return the page that says an HTTP `status` in the reader's language; it may be raised."""
        key = f"ERR_{status}"
        text = self.lexicon(key if key in self.lexicon else f"ERR_{status // 100 * 100}")
        # Without a token: an error page comes also where no secret can be made.
        return self.page("error", status, heading=self.lexicon("ERR_TITLE"), text=text, token="",
                         may_go_back=status != 421 and (not self.door or self.identity != NOBODY))

    def redirect(self, path: str, said: "str | None" = None, expire: bool = False,
                 cookie: "str | None" = None, **fields: object) -> "bottle.HTTPResponse":
        """Return a redirection to `path`, which will show the message `said` (an entry) with `fields`.

        `cookie` begins a session in the browser, `expire` ends it. It may be raised.
        """
        where = self._base + path
        if said:
            after = NOBODY if expire else f"session {cookie}" if cookie else self.identity
            text = urlencode([("said", said), *sorted(fields.items())])
            proof = tokens.make("said", after, MESSAGE_LIFETIME, text)
            where += ("&" if "?" in path else "?") + text + "&proof=" + proof
        answer = self._answer(b"", 303)
        answer.set_header("Location", where)
        if cookie is not None or expire:
            ended = "; Max-Age=0" if expire else ""
            answer.add_header("Set-Cookie", f"{COOKIE}={cookie or ''}; Path=/; HttpOnly; SameSite=Strict{ended}")
        return answer

    def _answer(self, body: bytes, status: int) -> "bottle.HTTPResponse":
        answer = bottle.HTTPResponse(body, status)
        for header, value in self._pages.headers:
            answer.set_header(header, value)
        return answer

    @property
    def _base(self) -> str:
        base: str = self.environ.get("SCRIPT_NAME", "").rstrip("/")
        return base

    # What answers say

    def said(self) -> "Message | None":
        """Return the Message that a redirection of ours put into the address, or None."""
        text, mark, proof = self.environ.get("QUERY_STRING", "").rpartition("&proof=")
        text = text[max(text.find("said="), 0):]
        if not mark or not tokens.good(proof, "said", self.identity, text):
            return None
        fields = dict(parse_qsl(text, keep_blank_values=True))
        said = fields.pop("said")
        if "kind" in fields:
            fields["kind"] = self.lexicon(fields["kind"])
        old = mailfiles.old() if said == "ERR_EVENT" else []
        details = [self.lexicon("EVENT_REASON", reason=fields["reason"])] if "reason" in fields else []
        details += [self.lexicon("OLD_FILE", path=path) for path in old]
        return Message(self.lexicon(said, **fields), said.startswith("ERR_"), details)

    def reason(self, reason: str) -> str:
        """Return a `reason` of mxbackup.rules in the reader's language."""
        for pattern, entry in REASONS:
            found = re.match(pattern, reason)
            if found:
                return self.lexicon(entry, **found.groupdict())
        return self.lexicon(reason)

    # Changes

    def change(self, path: str, edit: "Callable[[Database], Any]",
               said: "Callable[[Any], tuple[str, dict[str, Any]]]",
               removing: "int | None" = change.HANDFUL) -> "bottle.HTTPResponse":
        """Carry out `edit(db)`, then one event if it changed anything; return the redirection to `path`.

        `said(done)` gives the entry to show there and its fields. `removing`: so many rules may go, any number where
        None. Raises WrongUse as `edit` does, with nothing changed.
        """
        try:
            outcome = change.carry_out(edit, signal=self._signal, actor=self._actor(),
                                       removing=sys.maxsize if removing is None else removing)
        except WrongUse:
            raise
        except (EsmithError, OSError) as error:
            report(error)
            return self.redirect(path, "ERR_HALF" if isinstance(error, change.HalfDone) else "ERR_SAVE")
        if outcome.failure:
            return self._failed(path, outcome.failure)
        entry, fields = said(outcome.done)
        return self.redirect(path, entry, **fields)

    def update(self, path: str) -> "bottle.HTTPResponse":
        """Bring the mail files up to date; return the redirection to `path`."""
        failure = self._signal()
        return self._failed(path, failure) if failure else self.redirect(path, "SUCCESS_UPDATED")

    def _failed(self, path: str, failure: str) -> "bottle.HTTPResponse":
        report(failure)
        reason = printable(failure.encode("utf-8", "replace").decode())
        return self.redirect(path, "ERR_EVENT", reason=reason if len(reason) <= REASON else reason[:REASON] + "...")

    def _actor(self) -> Actor:
        # The own door has one password, and no names.
        user = "" if self.door else self.environ.get("REMOTE_USER", "")
        page = f"{self.environ['REQUEST_METHOD']} {self.environ.get('PATH_INFO', '')}"
        return Actor(f"{user} (by the server-manager)" if user else "root (by the panel)", f"panel: {page}")

    def _signal(self) -> str:
        # The own door has threads.
        return mailfiles.update(apart=self.door is not None)


def report(problem: object) -> None:
    """Tell the web server's log, or the journal, what no page says."""
    sys.stderr.write(f"mxbackup panel: {problem}\n")


def _host() -> str:
    try:
        db = Database("configuration", readonly=True)
    except EsmithError:
        return ""
    return f"{db.value('SystemName')}.{db.value('DomainName')}".strip(".")
