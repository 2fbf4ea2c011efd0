"""The panel as one WSGI application: what each address shows and does, behind either door."""

import re
import sys
from math import ceil
from os.path import dirname
from urllib.parse import parse_qsl, urlencode

from esmith import distribution
from esmith.database import Database
from esmith.errors import EsmithError
from mxbackup import targets
from mxbackup.mailfiles import outputs
from mxbackup.panel import findings, forms, login, manager, tokens, verdicts
from mxbackup.panel.lexicon import Lexicon, charset, choose
from mxbackup.panel.rendering import Pages
from mxbackup.rules import lists, record
from mxbackup.rules import rule as rules

distribution.use()

import bottle  # noqa: E402  (the distribution's, see above)

FORM_LIFETIME = 8 * 3600  # seconds a form may lie open
MESSAGE_LIFETIME = 120  # seconds an address may show a message
ROWS = 100  # rules a page
SHOWN = 20  # rules or errors in a summary
LIST_LIMIT = 20000  # rules in one list
LINES = 2000  # lines of a mail file
CHECK_TIME = 45  # seconds for one press of a check button: web servers give up after a minute or more
CHECK_ROWS = 500  # verdicts a page
# Reasons that name what they are about: their beginning, the lexicon's entry.
REASONS = (
    ("is no internationalised name ", "is no internationalised name"),
    ("its flag is ", "its flag is neither 0 (HOST) nor 1 (DOMAIN)"),
    ("is a (HOST|DOMAIN) here and a ", "is of both kinds in one list"),
)
COOKIE = "mxbackup_session"
# The first line of a CSV file: no line of ours where it is not the first.
HEADING = re.compile(r"\ufeff?\s*\"?name\"?[,;\s]\s*\"?kind\"?\s*\n", re.I)
LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?$", re.I)


class Row:
    """A rule as a page shows it; `unicode` is the name as people write it where that differs."""

    def __init__(self, name, kind, verdict=None):
        self.name, self.kind, self.verdict = name, kind, verdict
        self.unicode = readable(name)


class File:
    """A mail file as a page shows it: its `path`, its lines as one `text`, and whether it is `old`.

    `old` is None where that was not asked.
    """

    def __init__(self, path, text, old=None):
        self.path, self.text, self.old = path, text, old


class Message:
    """What a page says of the last change: a `text`, `wrong` or not, and further lines as `details`."""

    def __init__(self, text, wrong=False, details=()):
        self.text, self.wrong, self.details = text, wrong, details


def readable(name):
    """Return the U-label form of the A-label `name`, or "" where it has none that can be shown."""
    if "xn--" not in name:
        return ""
    try:
        text = ".".join(label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label
                        for label in name.split("."))
    except (UnicodeError, ValueError, OverflowError):
        return ""
    # Such as turns the direction of writing, or takes no room.
    return text if text.isprintable() else ""


class Panel:
    """The application. With `door` (login.Door) it has its own login; without, it trusts REMOTE_USER."""

    def __init__(self, door=None):
        self._door = door
        self._charset = charset()
        self._pages = Pages(self._charset)
        self._lexicons = {}
        self._app = bottle.Bottle()
        self._app.default_error_handler = self._bottle_error
        for method, path, callback in (
            ("GET", "/", self.show_rules),
            ("POST", "/switch", self.switch),
            ("GET", "/create", self.ask_rule),
            ("POST", "/create", self.check_rule),
            ("POST", "/create/confirm", self.create),
            ("GET", "/remove", self.ask_removal),
            ("POST", "/remove", self.remove),
            ("GET", "/list", self.ask_list),
            ("POST", "/list", self.check_list),
            ("POST", "/list/confirm", self.add_list),
            ("GET", "/files", self.show_files),
            ("POST", "/update", self.update),
            ("GET", "/check", self.show_check),
            ("POST", "/check", self.check),
            ("GET", "/login", self.ask_password),
            ("POST", "/login", self.log_in),
            ("POST", "/logout", self.log_out),
        ):
            self._app.route(path, method, callback=callback)

    def __call__(self, environ, start_response):
        if not environ.get("PATH_INFO"):
            environ["PATH_INFO"] = "/"
        # bottle knows a method in any case, and so must whoever asks for a token.
        environ["REQUEST_METHOD"] = environ["REQUEST_METHOD"].upper()
        return self._app(self._admit(environ), start_response)

    # Who may come in

    def _admit(self, environ):
        """Settle in `environ` who asks, and the status of a refusal if it may not be answered."""
        environ["mxbackup.refuse"] = None
        if not self._door:
            environ["mxbackup.identity"] = "user " + environ["REMOTE_USER"]
            return environ
        environ["mxbackup.identity"] = "nobody"
        # DNS rebinding: a stranger's page may reach this address, but under the stranger's name.
        if not LOOPBACK.match(environ.get("HTTP_HOST", "")):
            environ["mxbackup.refuse"] = 421
        origin = environ.get("HTTP_ORIGIN")
        ours = (None, "http://" + environ.get("HTTP_HOST", ""))
        if environ["REQUEST_METHOD"] == "POST" and origin not in ours:
            environ["mxbackup.refuse"] = 403
        session = self._session(environ)
        if session and self._door.knows(session):
            environ["mxbackup.identity"] = "session " + session
        return environ

    @staticmethod
    def _session(environ):
        found = re.search(f"(?:^|; ){COOKIE}=([0-9a-f]{{48}})(?:;|$)", environ.get("HTTP_COOKIE", ""))
        return found.group(1) if found else ""

    @property
    def _identity(self):
        return bottle.request.environ["mxbackup.identity"]

    def _enter(self, guest=False):
        """Return the fields of the query or the form; raise the answer to whoever may not ask or change."""
        environ = bottle.request.environ
        if environ["mxbackup.refuse"]:
            raise self._error(environ["mxbackup.refuse"])
        if self._door and self._identity == "nobody" and not guest:
            said = "SESSION_ENDED" if self._session(environ) else None
            raise self._redirect("/login", said, expire=True)
        if environ["REQUEST_METHOD"] != "POST":
            return dict(reversed(parse_qsl(
                environ.get("QUERY_STRING", "")[:20000], keep_blank_values=True, encoding=self._charset)))
        try:
            fields = forms.read(environ, self._charset)
        except forms.FormError as error:
            raise self._error(error.status) from None
        if not tokens.good(fields.get("token", ""), "form", self._identity):
            raise self._error(403)
        return fields

    # Answers

    @property
    def _lexicon(self):
        language = choose(bottle.request.environ.get("HTTP_ACCEPT_LANGUAGE", ""))
        if language not in self._lexicons:
            self._lexicons[language] = Lexicon(language, self._charset)
        return self._lexicons[language]

    def _page(self, template, status=200, **context):
        environ = bottle.request.environ
        context.setdefault("said", None)
        if "token" not in context:
            context["token"] = tokens.make("form", self._identity, FORM_LIFETIME)
        body = self._pages.render(
            template, self._lexicon, base=environ.get("SCRIPT_NAME", "").rstrip("/"),
            frame=manager.Frame() if self._door else manager.frame(self._charset),
            host=self._host() if self._door else "",
            may_log_out=bool(self._door and context["token"] and self._identity != "nobody"), **context)
        answer = bottle.HTTPResponse(body, status)
        for header, value in self._pages.headers:
            answer.set_header(header, value)
        answer.add_header("Vary", "Accept-Language")
        return answer

    @staticmethod
    def _host():
        try:
            db = Database("configuration", readonly=True)
        except EsmithError:
            return ""
        return (db.value("SystemName") + "." + db.value("DomainName")).strip(".")

    def _error(self, status):
        key = "ERR_%d" % status
        text = self._lexicon(key if key in self._lexicon else "ERR_%d" % (status // 100 * 100))
        # Without a token: an error page comes also where no secret can be made.
        return self._page("error", status, heading=self._lexicon("ERR_TITLE"), text=text, token="",
                          may_go_back=status != 421 and (not self._door or self._identity != "nobody"))

    def _bottle_error(self, error):
        # The exception itself is in the log already: bottle has written it there.
        answer = self._error(error.status_code)
        bottle.response.status = error.status_code
        for header, value in answer.headerlist:
            bottle.response.set_header(header, value)
        return answer.body

    def _redirect(self, path, said=None, expire=False, cookie=None, **fields):
        """Return a redirection to `path`, which will show the message `said` (an entry) with `fields`."""
        where = bottle.request.environ.get("SCRIPT_NAME", "").rstrip("/") + path
        if said:
            text = urlencode([("said", said)] + sorted(fields.items()))
            proof = tokens.make("said", self._identity_after(cookie, expire), MESSAGE_LIFETIME, text)
            where += ("&" if "?" in path else "?") + text + "&proof=" + proof
        answer = bottle.HTTPResponse(b"", 303)
        for header, value in self._pages.headers:
            answer.set_header(header, value)
        answer.set_header("Location", where)
        if cookie is not None or expire:
            answer.add_header("Set-Cookie", "{}={}; Path=/; HttpOnly; SameSite=Strict{}".format(
                COOKIE, cookie or "", "; Max-Age=0" if expire else ""))
        return answer

    def _identity_after(self, cookie, expire):
        return "nobody" if expire else "session " + cookie if cookie else self._identity

    def _said(self):
        """Return the Message that a redirection of ours put into the address, or None."""
        text, mark, proof = bottle.request.environ.get("QUERY_STRING", "").rpartition("&proof=")
        text = text[max(text.find("said="), 0):]
        if not mark or not tokens.good(proof, "said", self._identity, text):
            return None
        fields = dict(parse_qsl(text, keep_blank_values=True))
        said = fields.pop("said")
        if "kind" in fields:
            fields["kind"] = self._lexicon(fields["kind"])
        old = self._old_files() if said == "ERR_EVENT" else ()
        details = [self._lexicon("OLD_FILE", path=path) for path in old]
        return Message(self._lexicon(said, **fields), said.startswith("ERR_"), details)

    @staticmethod
    def _old_files():
        try:
            return [state.path for state in outputs.states(Database(readonly=True)) if state.reason]
        except (EsmithError, OSError):
            return []

    def _reason(self, reason):
        """Return a `reason` of mxbackup.rules in the reader's language."""
        for pattern, entry in REASONS:
            if re.match(pattern, reason):
                return self._lexicon(entry)
        return self._lexicon(reason)

    # Changes

    def _change(self, path, change, said):
        """Carry out `change()`, then one event if it changed anything; `said(outcome)`: entry, its fields."""
        try:
            outcome = change()
        except (EsmithError, OSError) as error:
            sys.stderr.write(f"mxbackup panel: {error}\n")
            return self._redirect(path, "ERR_SAVE")
        entry, fields = said(outcome)
        if outcome and not self._signal():
            return self._redirect(path, "ERR_EVENT")
        return self._redirect(path, entry, **fields)

    def _signal(self):
        """Bring the mail files up to date by one event; return whether all went well."""
        # The own door has threads, and an event forks: it gets a process of its own.
        failure = self._update_apart() if self._door else outputs.update()
        if failure:
            sys.stderr.write(f"mxbackup panel: {failure}\n")
        return not failure

    @staticmethod
    def _update_apart():
        import subprocess

        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); "
            "from mxbackup.mailfiles import outputs; sys.exit(outputs.update() or 0)"
        )
        library = dirname(dirname(dirname(__file__)))
        ran = subprocess.run([sys.executable, "-IS", "-c", code, library],
                             stdin=subprocess.DEVNULL, stdout=sys.stderr)
        return "the event ended with status %d" % ran.returncode if ran.returncode else ""

    # The rules

    def show_rules(self):
        """The state, the rules in the order of the files, and those that are ignored."""
        query = self._enter()
        configuration = record.load()
        kinds = configuration.rules.kinds
        find = query.get("find", "").strip().lower()[:253]
        names = [name for name in kinds if find in name] if find else list(kinds)
        pages = max(1, -(-len(names) // ROWS))
        page = query.get("page", "1")
        page = min(max(1, int(page)), pages) if re.match("[0-9]{1,6}$", page) else 1
        shown = names[(page - 1) * ROWS:page * ROWS]
        found = verdicts.load(self._lexicon)
        return self._page(
            "rules", configuration=configuration, said=self._said(), find=find, page=page, pages=pages,
            many=len(kinds) > ROWS or bool(find), caption=self._caption(len(names), find),
            rows=[Row(name, kinds[name], found.get(name)) for name in shown],
            ignored=[(rules.printable(entry.name), self._reason(entry.reason))
                     for entry in configuration.ignored[:ROWS]],
            more_ignored=max(0, len(configuration.ignored) - ROWS))

    def _caption(self, count, find):
        if find:
            return self._lexicon("RULES_CAPTION_FOUND", count=count, name=find)
        return self._lexicon("RULES_CAPTION_ONE" if count == 1 else "RULES_CAPTION", count=count)

    def switch(self):
        """Enable or disable all rules."""
        to = self._enter().get("to")
        if to not in ("enabled", "disabled"):
            raise self._error(400)
        change = record.enable if to == "enabled" else record.disable
        return self._change("/", change, lambda changed: (
            "SUCCESS_" + to.upper() if changed else "SUCCESS_ALREADY", {}))

    # A new rule

    def ask_rule(self):
        """The form for a new rule."""
        self._enter()
        return self._page("create", typed="", kind="HOST", error=None)

    def check_rule(self):
        """The summary of a new rule, to confirm; or the form again with what is wrong."""
        fields = self._enter()
        text, kind = fields.get("name", ""), fields.get("kind")
        accepted, errors = record.check([(text, kind if kind in rules.FLAG_OF_KIND else rules.HOST)])
        if errors:
            error = self._reason(errors[0].reason)
            return self._page("create", 422, typed=text[:1000], kind=kind, error=error)
        rule = accepted[0]
        configuration = record.load()
        was = configuration.rules.kinds.get(rule.name)
        if was == rule.kind:
            error = self._lexicon("ERR_EXISTS", name=rule.name, kind=self._lexicon(was))
            return self._page("create", 422, typed=text[:1000], kind=kind, error=error)
        said = was and Message(self._lexicon("ERR_OTHER_KIND", name=rule.name, kind=self._lexicon(was)))
        return self._page(
            "confirm", heading=self._lexicon("SUMMARY_ADD"), question=self._lexicon("SUMMARY_ADD_DESC"),
            said=said, rows=[Row(*rule)], more=0, fields=[("name", rule.name), ("kind", rule.kind)],
            action="create/confirm", button=self._lexicon("APPLY"), danger=False,
            enabled=configuration.enabled, lines_title=self._lexicon("LINES_ADDED"),
            files=self._lines([rule], configuration))

    def create(self):
        """Add the rule that was confirmed."""
        fields = self._enter()
        rule = (fields.get("name", ""), fields.get("kind"))
        if record.check([rule])[1]:
            raise self._error(400)

        def said(change):
            if change.added:
                return "SUCCESS_ADDED", {"name": rule[0]}
            if change.changed:
                return "SUCCESS_CHANGED", {"name": rule[0], "kind": rule[1]}
            return "SUCCESS_EXISTED", {"name": rule[0]}

        return self._change("/", lambda: record.add([rule]), said)

    # A rule less

    def ask_removal(self):
        """The summary of a rule that may go, to confirm."""
        name = self._enter().get("name", "")
        configuration = record.load()
        kind = configuration.rules.kinds.get(name)
        if kind is None:
            return self._redirect("/", "ERR_GONE", name=name[:300])
        rule = rules.Rule(name, kind)
        return self._page(
            "confirm", heading=self._lexicon("SUMMARY_REMOVE"), question=self._lexicon("SUMMARY_REMOVE_DESC"),
            rows=[Row(*rule)], more=0, fields=[("name", rule.name), ("kind", rule.kind)], action="remove",
            button=self._lexicon("REMOVE"), danger=True, enabled=True,
            lines_title=self._lexicon("LINES_REMOVED"), files=self._lines([rule], configuration))

    def remove(self):
        """Remove the rule that was confirmed, if it still is what was shown."""
        fields = self._enter()
        name, kind = fields.get("name", "")[:1000], fields.get("kind")
        now = record.load().rules.kinds.get(name)
        if now is None:
            return self._redirect("/", "ERR_GONE", name=name[:300])
        if now != kind:
            return self._redirect("/", "ERR_CHANGED", name=name, kind=now)
        return self._change("/", lambda: record.remove([name]), lambda change: (
            "SUCCESS_REMOVED" if change else "ERR_GONE", {"name": name}))

    # A list of rules

    def ask_list(self):
        """The form for a list."""
        self._enter()
        return self._page("list", typed="", kind="HOST", errors=[], more=0)

    def check_list(self):
        """The summary of a list, to confirm; or the form again with each line that is wrong."""
        fields = self._enter()
        text, file = fields.get("list", ""), fields.get("file", "")
        if text.strip():
            text, file = text + "\n", HEADING.sub("", file, 1) if HEADING.match(file) else file
        text += file
        kind = "DOMAIN" if fields.get("kind") == "DOMAIN" else "HOST"
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        configuration = record.load()
        kinds = configuration.rules.kinds
        entries, refusals = lists.read(text.encode("utf-8", "surrogatepass"), "")
        accepted, refused = lists.resolve(entries, kind, kinds)
        errors = [
            self._lexicon("LIST_LINE", line=line or 1, name=rules.printable(name[:80]),
                          reason=self._reason(reason))
            for _, line, name, reason in sorted(refusals + refused, key=lambda refusal: refusal.line or 1)
        ]
        new = [rule for rule in accepted if kinds.get(rule.name) != rule.kind]
        if not errors and not entries:
            errors = [self._lexicon("LIST_EMPTY")]
        elif not errors and not new:
            errors = [self._lexicon("LIST_NOTHING_NEW")]
        elif len(new) > LIST_LIMIT:
            errors = [self._lexicon("LIST_TOO_LONG")]
        if errors:
            more = max(0, len(errors) - SHOWN)
            return self._page("list", 422, typed=text, kind=kind, errors=errors[:SHOWN], more=more)
        count = len(new)
        known = len(accepted) - count
        return self._page(
            "confirm", heading=self._lexicon("SUMMARY_ADD_MANY", count=count),
            question=self._lexicon("SUMMARY_ADD_MANY_DESC"),
            said=known and Message(self._lexicon("LIST_SKIPPED", count=known)),
            rows=[Row(*rule) for rule in new[:SHOWN]], more=max(0, count - SHOWN),
            fields=[("list", "".join("{} {}\n".format(*rule) for rule in new))], action="list/confirm",
            button=self._lexicon("APPLY"), danger=False, enabled=configuration.enabled,
            lines_title=self._lexicon("LINES_ADDED"), files=self._lines(new[:SHOWN], configuration))

    def add_list(self):
        """Add the list that was confirmed, in one write and one event."""
        fields = self._enter()
        entries, refusals = lists.read(fields.get("list", "").encode("utf-8", "surrogatepass"), "")
        pairs = [(entry.name, entry.kind) for entry in entries]
        if refusals or not pairs or record.check(pairs)[1]:
            raise self._error(400)
        return self._change("/", lambda: record.add(pairs), lambda change: (
            ("SUCCESS_ADDED_MANY", {"count": len(change.added) + len(change.changed)}) if change
            else ("SUCCESS_ALREADY", {})))

    # The mail files

    def _lines(self, new, configuration):
        """Return what each mail file holds for the rules `new` (list of File), once they are in force."""
        configuration = record.Configuration(True, rules.RuleSet(new), [], configuration.smart_host)
        return [
            File(target.path, "\n".join(line for rule in configuration.rules for line in target.lines(rule)))
            for target in targets.applying() if target.wanted(configuration)
        ]

    def show_files(self):
        """The lines that each mail file of this host gets from the rules, enabled or not; which are old."""
        self._enter()
        now = record.load()
        enabled = record.Configuration(True, now.rules, now.ignored, now.smart_host)
        files, old = [], self._old_files()
        for target in targets.applying():
            lines = targets.entries(target.name, enabled)
            text = "\n".join(lines[:LINES]) or self._lexicon("NO_LINE")
            if len(lines) > LINES:
                text += "\n" + self._lexicon("MORE", count=len(lines) - LINES)
            files.append(File(target.path, text, target.path in old))
        return self._page("files", said=self._said(), configuration=now, files=files)

    def update(self):
        """Write the mail files, as after a change: for when that failed, or somebody else changed a file."""
        self._enter()
        return self._redirect("/files", "SUCCESS_UPDATED" if self._signal() else "ERR_EVENT")

    # The check

    def check(self):
        """Check one rule, or all, as far as the time goes; the result is shown by the next page."""
        name = self._enter().get("name", "")
        names = list(record.load().rules.kinds)
        if name:
            if name not in names:
                return self._redirect("/", "ERR_GONE", name=name[:300])
            names = [name]
        try:
            in_time = verdicts.check(names, CHECK_TIME)
        except (EsmithError, OSError) as error:
            sys.stderr.write(f"mxbackup panel: {error}\n")
            return self._redirect("/", "ERR_CHECK")
        path = "/check?" + urlencode({"name": name}) if name else "/check"
        return self._redirect(path, None if in_time else "ERR_CHECK_STOPPED")

    def show_check(self):
        """The last verdict of one rule, or of each."""
        query = self._enter()
        found = verdicts.load(self._lexicon)
        names = [name for name in record.load().rules.kinds
                 if name in found and query.get("name", name) == name][:CHECK_ROWS]
        if verdicts.SERVER in found:
            names.append(verdicts.SERVER)
        rows = [Row(name, "", found[name]) for name in names]
        return self._page("check", said=self._said(), rows=rows, say=findings.Interpreter(self._lexicon))

    # The login of the panel's own door

    def _login_page(self, status=200, error=None, said=None):
        if not self._door:
            raise self._error(404)
        return self._page("login", status, error=error, said=said)

    def ask_password(self):
        """The form for the password."""
        self._enter(guest=True)
        return self._login_page(said=self._said())

    def log_in(self):
        """Begin a session for whoever knows the password."""
        fields = self._enter(guest=True)
        if not self._door:
            raise self._error(404)
        try:
            if not login.password_is_set():
                return self._login_page(403, self._lexicon("LOGIN_UNSET"))
            session, wait, tried = self._door.attempt(fields.get("password", ""))
        except login.PasswordError as error:
            sys.stderr.write(f"mxbackup panel: {error}\n")
            return self._login_page(500, self._lexicon("ERR_500"))
        if session:
            return self._redirect("/", cookie=session)
        seconds = ceil(wait)
        answer = self._login_page(403 if tried else 429, self._lexicon(
            "LOGIN_WRONG" if tried else "LOGIN_WAIT", seconds=seconds))
        answer.set_header("Retry-After", str(seconds))
        return answer

    def log_out(self):
        """End the session."""
        self._enter()
        if not self._door:
            raise self._error(404)
        self._door.close(self._session(bottle.request.environ))
        return self._redirect("/login", "LOGGED_OUT", expire=True)
