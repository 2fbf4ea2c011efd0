"""Runs a program, or a Python handler in a fork of this interpreter, and hands on what it writes."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, NoReturn

    Say = Callable[[str], object]

# The first line of a handler that needs no interpreter of its own: it would start just this one.
_PYTHON = b"#!/usr/bin/python3 -IS\n"


def run(path: str, arguments: "List[str]", say: "Say") -> int:
    """Run the file `path` (str) with `arguments` (list of str) and return its wait status (see wait(2)).

    `say` takes each line (str) of its standard output and standard error. It may take its time: there is no
    limit. A file that cannot be executed gives a line that says so, and exit status 127.
    """
    reader, writer = os.pipe()
    _flush()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            os.close(writer)
            _become(path, arguments)
        except OSError as error:
            os.write(2, os.fsencode(f"{path}: {error.strerror}\n"))
        finally:
            os._exit(127)
    os.close(writer)
    with open(reader, encoding="utf-8", errors="surrogateescape", newline="\n") as output:
        for line in output:
            say(line.rstrip("\n"))
    return os.waitpid(child, 0)[1]


def _become(path: str, arguments: "List[str]") -> "NoReturn":
    """Turn this child process into the handler; raises OSError where it cannot be executed."""
    with open(path, "rb") as handler:
        if handler.read(len(_PYTHON)) == _PYTHON:
            handler.seek(0)
            _interpret(path, arguments, handler.read())
    os.execv(path, [path] + arguments)


def _interpret(path: str, arguments: "List[str]", source: bytes) -> "NoReturn":
    """Run Python `source` (bytes) as a start of `path` would, and end this process."""
    import atexit

    status = 1
    # What the parent wants done at its exit is not this process's to do.
    atexit._clear()
    try:
        main = sys.modules["__main__"] = type(sys)("__main__")
        main.__file__ = path
        main.__builtins__ = __builtins__  # type: ignore[attr-defined]  # as each module has, unwritten
        sys.argv = [path] + arguments
        exec(compile(source, path, "exec"), main.__dict__)
        status = 0
    except SystemExit as stop:
        if stop.code is None:
            status = 0
        elif isinstance(stop.code, int):
            status = stop.code
        else:
            sys.stderr.write(f"{stop.code}\n")
            status = 1
    except BaseException:  # noqa: BLE001  # this is the interpreter's outermost frame
        sys.excepthook(*sys.exc_info())
    finally:
        if "threading" in sys.modules:
            _join_threads()
        atexit._run_exitfuncs()
        _flush()
        os._exit(status & 0xFF)


def _join_threads() -> None:
    import threading

    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # There is none where the descriptor was closed.
        if stream is not None:
            stream.flush()
