"""The login of the panel's own door, and the logout; in the server-manager there are no such pages."""

from math import ceil

from mxbackup.panel import login
from mxbackup.panel.visit import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mxbackup.panel.distributed import bottle
    from mxbackup.panel.visit import Visit


def show(visit: "Visit") -> "bottle.HTTPResponse":
    """The form for the password."""
    _door(visit)
    return visit.page("login", error=None, said=visit.said())


def log_in(visit: "Visit") -> "bottle.HTTPResponse":
    """Begin a session for whoever knows the password."""
    door = _door(visit)
    try:
        if not login.password_is_set():
            return visit.page("login", 403, error=visit.lexicon("LOGIN_UNSET"))
        session, wait, tried = door.attempt(visit.fields.get("password", ""))
    except login.PasswordError as error:
        report(error)
        return visit.page("login", 500, error=visit.lexicon("ERR_500"))
    if session:
        return visit.redirect("/", cookie=session)
    seconds = ceil(wait)
    text = visit.lexicon("LOGIN_WRONG" if tried else "LOGIN_WAIT", seconds=seconds)
    answer = visit.page("login", 403 if tried else 429, error=text)
    answer.set_header("Retry-After", str(seconds))
    return answer


def log_out(visit: "Visit") -> "bottle.HTTPResponse":
    """End the session."""
    _door(visit).close(visit.session)
    return visit.redirect("/login", "LOGGED_OUT", expire=True)


def _door(visit: "Visit") -> login.Door:
    if not visit.door:
        raise visit.error(404)
    return visit.door
