"""The e-smith engine of this host, ours or the Perl one: how the contrib has events run and files expanded."""

import os

from esmith.paths import rooted

COMMANDS = "/sbin/e-smith/"
TEMPLATES = ("/etc/e-smith/templates-custom", "/etc/e-smith/templates")


def is_ours():
    """Tell whether this host's engine is ours, to be used in this process, and not the Perl one (bool).

    Where there is none, as in a sandbox, it is ours.
    """
    try:
        with open(rooted(COMMANDS + "expand-template"), "rb") as stream:
            return b"esmith.commands" in stream.read(4096)
    except OSError:
        return True


def signal_event(name, *arguments):
    """Run the event `name`; return 0, or 1 where a handler failed. Raises EventError where it cannot run."""
    if is_ours():
        from esmith import events
        return events.signal(name, *arguments)
    return 1 if _run("signal-event", name, *arguments)[0] else 0


def expand(path):
    """Expand the template of `path` (str, not rooted); raises TemplateError, the output being as it was."""
    if is_ours():
        from esmith import templates
        templates.expand(path)
        return
    status, errors = _run("expand-template", path)
    if status:
        from esmith.errors import TemplateError
        raise TemplateError(errors or "%s: expand-template failed with status %d" % (path, status))


def _run(command, *arguments):
    """Run the host's own `command`; return its exit status and what it said on stderr (int, str)."""
    import subprocess
    from esmith.errors import EventError
    try:
        ran = subprocess.run([rooted(COMMANDS + command)] + list(arguments),
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except OSError as error:
        raise EventError("%s: %s" % (rooted(COMMANDS + command), error.strerror)) from error
    return ran.returncode, ran.stderr.decode("utf-8", "replace").strip()


def has_other_fragments(path):
    """Tell whether the template of `path` (str, not rooted) has a fragment that is not ours (bool)."""
    for folder in TEMPLATES:
        try:
            names = os.listdir(rooted(folder + path))
        except OSError:
            continue
        if any(name not in FRAGMENTS and not name.startswith("template-") for name in names):
            return True
    return False


# Our fragments' names, in any folder.
FRAGMENTS = ("20QandD", "20MXBackup", "61MXBackupDomains")
