"""The mail files against the database: which are old, what a change would make of them, the event that writes them.

Under our engine a file is compared with its whole template, rendered in memory. Under the Perl engine, whose
other fragments only Perl can run, our own lines are looked for in the file.
"""

from collections import namedtuple

from esmith.errors import EsmithError
from esmith.paths import rooted
from mxbackup import hostengine, targets

EVENT = "mxbackup-update"

State = namedtuple("State", "target reason")
State.__doc__ = """A Target that this host has, and why its file is not as the database says (str, "" where it is)."""


def update():
    """Signal the event that writes the files; return what went wrong (str), "" where all went well."""
    try:
        status = hostengine.signal_event(EVENT)
    except EsmithError as error:
        return str(error)
    return "a handler of the event %s failed; the system log says which" % EVENT if status else ""


def states(db):
    """Return a State for each Target that this host has; `db` is the configuration Database."""
    return [State(target, _reason(target, db)) for target in targets.applying()]


def _reason(target, db):
    try:
        now, then = now_and_then(target, db)
    except (EsmithError, OSError) as error:
        return "cannot be made: %s" % error
    if now is None:
        return "is not there yet"
    return "" if now == then else "is older than the database"


def difference(target, db):
    """Return the unified diff (str, "" for none) of the file of `target` and of what `db` makes of it.

    Raises TemplateError and OSError.
    """
    from difflib import unified_diff
    now, then = now_and_then(target, db)
    if now == then:
        return ""
    lines = [(text or b"").decode("utf-8", "surrogateescape").splitlines(True) for text in (now, then)]
    return "".join(
        line if line.endswith("\n") else line + "\n"
        for line in unified_diff(*lines, fromfile="/dev/null" if now is None else target.path, tofile=target.path)
    )


def now_and_then(target, db):
    """Return what the file of `target` holds (bytes, None where it is missing), and what `db` would make of it.

    Raises TemplateError and OSError.
    """
    try:
        with open(rooted(target.path), "rb") as stream:
            now = stream.read()
    except FileNotFoundError:
        now = None
    if hostengine.is_ours():
        return now, _render(target.path, db)
    ours = targets.text(target.name, db).encode()
    if now is None:
        return now, ours
    start = now.find(targets.COMMENT.encode())
    if start < 0:
        return now, now + ours
    if ours and now.startswith(ours, start):
        return now, now
    # Ours end with what the database of the host gives, else where the file does.
    before = targets.text(target.name).encode()
    end = start + len(before) if now.startswith(before, start) else len(now)
    return now, now[:start] + ours + now[end:]


def _render(path, db):
    from esmith import fragments, templates

    class Names(fragments.Names):
        """What fragments can name, with `db` for the configuration database."""

        def database(self, name):
            return db if name == "configuration" else fragments.Names.database(self, name)

    return templates.render(path, names=Names())
