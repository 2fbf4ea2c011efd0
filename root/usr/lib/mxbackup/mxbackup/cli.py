"""The command `mxbackup`: a table of subcommands, each in a module of its own.

A new subcommand is one line in COMMANDS and one module, imported only when it is asked for, with

    its docstring             what `mxbackup help NAME` says; its first line stands alone
    EXAMPLES                  str: the examples at the end of that help, one a line
    add_arguments(parser)     adds its arguments to an argparse.ArgumentParser
    run(options) -> int       does the work; `options.command` (str) is the subcommand's name

`run` returns 0 for a good result and 1 for none or a bad one. It raises mxbackup.commands.WrongUse (exit
2) for input that is refused with nothing changed; any other EsmithError or OSError that it lets through
ends in exit 1. All text is str decoded from UTF-8 with surrogateescape, and standard output and error are
set up to match.
"""

import argparse
import io
import os
import sys
from importlib import import_module

from esmith.errors import EsmithError, FormatError
from mxbackup import __version__
from mxbackup.terminal import WrongUse, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Union

COMMANDS = {
    "add": ("mxbackup.commands.add", "accept mail for other people's hosts and domains"),
    "remove": ("mxbackup.commands.remove", "accept it no longer"),
    "list": ("mxbackup.commands.list", "show the rules"),
    "status": (
        "mxbackup.commands.status",
        "show what is on, which mail files are old, what is ignored and why",
    ),
    "export": (
        "mxbackup.commands.export",
        "write the rules to a file, or a tar for servers too old for this",
    ),
    "import": ("mxbackup.commands.take", "read rules from a file"),
    "migrate": ("mxbackup.commands.migrate", "take lists of older methods over"),
    "enable": ("mxbackup.commands.switch", "let the rules take effect"),
    "disable": ("mxbackup.commands.switch", "keep the rules without effect"),
    "history": ("mxbackup.commands.history", "show what was changed, when and by whom"),
    "undo": ("mxbackup.commands.undo", "take a change back"),
    "check": ("mxbackup.commands.check", "prove it: the mail files, the SMTP dialogues, the MX records"),
    "letter": ("mxbackup.commands.letter", "write to a friend what he has to do"),
    "panel": ("mxbackup.commands.panel", "serve the panel to a browser on this host"),
}

OVERVIEW = """\
usage: mxbackup COMMAND [ARGUMENT...]

Makes this host a backup MX: it accepts mail for the domains you name and passes it on to their own servers.

{commands}

mxbackup help COMMAND tells more, with examples.
Exit status: 0 good, 1 no result or a bad one, 2 wrong use or refused input (nothing was changed).
"""


def main(argv: "List[str]") -> int:
    """Run `mxbackup` with `argv` (the program's name first); returns the exit status (int)."""
    for name in ("stdout", "stderr"):
        _use_bytes(name)
    try:
        status = _dispatch([os.fsencode(text).decode("utf-8", "surrogateescape") for text in argv[1:]])
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except BrokenPipeError:
        return _give_up_output(1)
    except (EsmithError, ValueError) as error:
        if not isinstance(error, EsmithError) and not _refused(error):
            raise
        return _fail(error, 2 if _refused(error) else 1)
    except OSError as error:
        _give_up_output(1)
        return _fail(_sentence(error), 1)


def _dispatch(arguments: "List[str]") -> int:
    name = arguments[0] if arguments else "--help"
    if name == "help":
        arguments = [*arguments[1:2], "--help"]
        name = arguments[0]
    if name in ("-h", "--help"):
        sys.stdout.write(OVERVIEW.format(commands=_table()))
        return 0
    if name == "--version":
        print("mxbackup", __version__)
        return 0
    if name not in COMMANDS:
        raise WrongUse(_mistyped(name))
    module = import_module(COMMANDS[name][0])
    parser = argparse.ArgumentParser(
        prog="mxbackup " + name,
        description=_filled(module.__doc__ or ""),
        epilog="examples:\n" + "".join(f"  {line}\n" for line in module.EXAMPLES.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.set_defaults(command=name)
    try:
        options, rest = parser.parse_known_args(arguments[1:])
        names = [word for word in rest if word == "-" or not word.startswith("-")]
        if not hasattr(options, "names") or names != rest:
            names = []
        if names != rest:
            parser.error("unrecognized arguments: " + " ".join(map(printable, rest)))
        if names:
            # argparse takes those before the first option alone.
            options.names += names
    except SystemExit as stop:
        # argparse gives 0 after --help, 2 for wrong use.
        return int(stop.code or 0)
    status: int = module.run(options)
    return status


def _mistyped(name: str) -> str:
    from difflib import get_close_matches

    other = {"rm": "remove", "del": "remove", "delete": "remove", "ls": "list", "show": "list", "log": "history"}
    near = [other[name]] if name in other else get_close_matches(name, COMMANDS, 1, 0.6)
    meant = f"; did you mean '{near[0]}'?" if near else f" (one of: {' '.join(COMMANDS)})"
    return f"no such command: {printable(name)}{meant}"


def _filled(text: str) -> str:
    """Return `text` (str) with its paragraphs as wide as a terminal; indented ones stay as they are."""
    from textwrap import fill

    parts = text.strip().split("\n\n")
    return "\n\n".join(part if part.startswith(" ") else fill(part, 79) for part in parts)


def _table() -> str:
    width = max(map(len, COMMANDS))
    return "\n".join(f"  {name:{width}}  {summary}" for name, (_, summary) in COMMANDS.items())


def _refused(error: Exception) -> bool:
    from mxbackup.rules.rule import RuleError

    return isinstance(error, (WrongUse, FormatError, RuleError))


def _sentence(error: OSError) -> str:
    """Say what went wrong without numbers, and of a temporary file by the name that it was to get."""
    from esmith.atomicfile import lasting_name

    name = error.filename
    if isinstance(name, bytes):
        name = os.fsdecode(name)
    place = f"{lasting_name(name)}: " if isinstance(name, str) else ""
    return f"{place}{error.strerror or error}"


def _fail(error: "Union[str, Exception]", status: int) -> int:
    try:
        sys.stderr.write(f"mxbackup: {printable(str(error))}\n")
        sys.stderr.flush()
    except OSError:
        pass
    return status


def _use_bytes(name: str) -> None:
    """Let the stream sys.NAME write UTF-8, and the bytes of a str that was decoded with surrogateescape."""
    stream = getattr(sys, name)
    if stream is None:
        setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (it stays open as long as the command runs)
    elif isinstance(getattr(stream, "buffer", None), io.BufferedWriter):
        setattr(
            sys,
            name,
            io.TextIOWrapper(
                stream.detach(), encoding="utf-8", errors="surrogateescape", line_buffering=name == "stderr"
            ),
        )


def _give_up_output(status: int) -> int:
    """Point standard output to nowhere, so that the interpreter does not fail on what is left to write."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return status
