"""Proves a backup MX: its files, its SMTP dialogue, the domain's DNS, no loop by way of the smart host.

It knows what an answer of a mail server or a name server means for a backup MX; it changes nothing on the host,
and knows nothing of who asks.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, List, Optional, Tuple

    from mxbackup.check.verdict import Verdict


def run(
    domains: "Optional[Iterable[str]]" = None,
    progress: "Optional[Callable[[int, int], object]]" = None,
    **options: "Any",
) -> "List[Verdict]":
    """Check `domains` (iterable of str; None for the host's own rules); return a list of verdict.Verdict.

    The first is on the server itself (kind "SERVER"), unless `parts` leaves nothing to check there; the
    others are on the domains in order. `options` are those of options.Options; `progress(done, total)` is
    called after each domain. Verdicts on the host's own rules are stored for store.load().
    Raises commands.WrongUse for what cannot be meant, and DatabaseError.
    """
    return run_and_compare(domains, progress, **options)[0]


def run_and_compare(
    domains: "Optional[Iterable[str]]" = None,
    progress: "Optional[Callable[[int, int], object]]" = None,
    **options: "Any",
) -> "Tuple[List[Verdict], List[Verdict], str]":
    """As run(), but return (verdicts, those that changed since they were stored, why not stored or "")."""
    from mxbackup.check import store
    from mxbackup.check.options import Options
    from mxbackup.check.survey import Survey
    from mxbackup.check.verdict import PARTS, SERVER
    todo = Survey(Options(domains, **options))
    verdicts = todo.run(progress)
    changed: List[Verdict] = []
    trouble = ""
    if todo.tested and set(todo.options.parts) == set(PARTS):
        own = [verdict for verdict in verdicts if verdict.kind == SERVER or verdict.name in todo.own_rules]
        try:
            changed = store.save(own, todo.own_rules)
        except OSError as error:
            trouble = f"{store.PATH}: the verdicts are not stored: {error.strerror}"
    else:
        trouble = "the verdicts are not stored: they are not on all of this host's own server"
    return verdicts, changed, trouble
