"""Jinja2 fragments as compiled code, kept from one run to the next.

Importing Jinja2 takes longer than all else that an expansion does. So Jinja2 compiles a fragment once, and
what it generated is kept in /var/cache/e-smith-python. The generated code asks little of Jinja2 where the
fragment is simple (variables, attributes, calls, if, for, set): then the few names below stand in, and
Jinja2 is not imported. Where it asks for more (a filter, a test, a macro, `loop`), it runs on the whole of
Jinja2. Both give the same bytes.

A kept entry is used only where it is safe and right: the folder and the file belong to this user and nobody
else may write there; the fragment's bytes, Python, this module and each file of Jinja2 are as they were.
"""

import marshal
import os
import stat
import sys
from binascii import crc32

from esmith.errors import TemplateError
from esmith.paths import rooted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ast
    from types import CodeType, TracebackType
    from typing import (
        Any,
        Callable,
        Container,
        Dict,
        Generator,
        Iterable,
        Iterator,
        List,
        NoReturn,
        Optional,
        Set,
        Tuple,
    )

    import jinja2

    from esmith.fragments import Names

    # Which line of a fragment gives which line of generated code, in order.
    Lines = List[Tuple[int, ...]]
    Compiled = Tuple[bool, Lines, CodeType]
    Stamp = Tuple[str, int, int, int]

CACHE = "/var/cache/e-smith-python"
_CODE_NAME = "<fragment>"
_VERSION = sys.hexversion.to_bytes(4, "big")

# What generated code may ask for and still be simple.
_SIMPLE_IMPORTS = frozenset(("missing", "Undefined", "to_string", "str_join", "unicode_join"))
_SIMPLE_ENVIRONMENT = frozenset(("undefined", "concat", "getattr", "getitem"))
_SIMPLE_CONTEXT = frozenset(("resolve_or_missing", "call", "vars", "exported_vars"))


class Empty:
    """A name, property or item that is not there: printed it is nothing, it is false, and has no items."""

    def __init__(self, hint: object = None, obj: object = None, name: object = None, exc: object = None) -> None:
        self._undefined_name = name

    def __getattr__(self, name: str) -> "Empty":
        if name[:2] == "__":
            raise AttributeError(name)
        return self

    def __getitem__(self, name: object) -> "Empty":
        return self

    def __call__(self, *arguments: object, **named: object) -> "NoReturn":
        raise TemplateError(f"'{self._undefined_name}' is not defined, so it cannot be called")

    def __str__(self) -> str:
        return ""

    def __bool__(self) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> "Iterator[object]":
        return iter(())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Empty)

    def __ne__(self, other: object) -> bool:
        return not isinstance(other, Empty)

    def __hash__(self) -> int:
        return 0


class Fragment:
    """A compiled fragment: `pieces` runs it, `line` tells its line from a traceback."""

    def __init__(self, simple: bool, lines: "Lines", code: "CodeType") -> None:
        self._simple = simple
        self._lines = lines
        self._code = code

    def pieces(self, names: "Names") -> "Generator[str, None, None]":
        """Return a generator of str, what the fragment gives; `names` is a fragments.Names."""
        if not self._simple:
            return _jinja2_pieces(self._code, names)
        environment = _Environment()
        space: Dict[str, Any] = {
            "environment": environment,
            "missing": _MISSING,
            "Undefined": Empty,
            "to_string": str,
            "str_join": _join,
            "unicode_join": _join,
        }
        exec(self._code, space)
        pieces: Generator[str, None, None] = space["root"](_Context(names))
        return pieces

    def line(self, traceback: "Optional[TracebackType]") -> int:
        """Return the number of the fragment's line that `traceback` went through last, else 1."""
        number = 1
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == _CODE_NAME:
                # Before the first line's code are Jinja2's stand-ins for unknown filters: they tell nothing.
                found = [line for line, code_line in self._lines if code_line <= traceback.tb_lineno]
                number = found[-1] if found else number
            traceback = traceback.tb_next
        return number


def load(path: str, text: bytes, keep: bool = True) -> Fragment:
    """Return the Fragment for the Jinja2 `text` (bytes) of the fragment file `path`, from the cache where
    it is there.

    Without `keep`, what is not in the cache is not put there. Raises TemplateError, naming the file and
    line, where Jinja2 refuses the text.
    """
    # Two fragments of one name here do no harm: each finds the other's text, and is compiled again.
    name = f"{crc32(os.fsencode(path)):08x}"
    kept = _kept(name, text)
    if kept is None:
        kept = _compile(path, text)
        if keep:
            _keep(name, text, kept)
    return Fragment(*kept)


_MISSING = object()


class _Environment:
    """What simple generated code calls `environment`; looks things up as Jinja2's Environment does."""

    undefined = Empty
    concat = "".join

    def getattr(self, thing: "Any", name: str) -> "Any":
        try:
            return getattr(thing, name)
        except AttributeError:
            pass
        try:
            return thing[name]
        except (TypeError, LookupError, AttributeError):
            return Empty(name=name)

    def getitem(self, thing: "Any", name: object) -> "Any":
        try:
            return thing[name]
        except (TypeError, LookupError, AttributeError):
            pass
        if isinstance(name, str):
            try:
                return getattr(thing, name)
            except AttributeError:
                pass
        return Empty(name=name)


class _Context:
    """What simple generated code calls `context`."""

    def __init__(self, names: "Names") -> None:
        self._names = names
        self.vars: Dict[str, Any] = {}
        self.exported_vars: Set[str] = set()

    def resolve_or_missing(self, name: str) -> object:
        if name in self.vars:
            return self.vars[name]
        return self._names.find(name, _MISSING)

    def call(self, function: "Callable[..., Any]", *arguments: "Any", **named: "Any") -> "Any":
        # Newer generated code hands down the variables of the loop and block, for functions of Jinja2's own.
        named.pop("_loop_vars", None)
        named.pop("_block_vars", None)
        return function(*arguments, **named)


def _join(things: "Iterable[object]") -> str:
    return "".join(map(str, things))


def _environment() -> "jinja2.Environment":
    """Return a Jinja2 environment with the settings of every fragment."""
    from esmith import distribution

    distribution.use()
    try:
        import jinja2
    except ImportError as error:
        raise TemplateError(f"Jinja2 is needed for this fragment: {error}") from None

    class JinjaEmpty(Empty, jinja2.Undefined):  # type: ignore[misc]  # what both have is Empty's, on purpose
        __init__ = jinja2.Undefined.__init__
        __hash__ = Empty.__hash__

    return jinja2.Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        undefined=JinjaEmpty,
    )


def _compile(path: str, text: bytes) -> "Compiled":
    """Return (simple, lines, code) for a Fragment."""
    import ast

    environment = _environment()
    import jinja2

    try:
        source = environment.compile(text.decode("utf-8", "surrogateescape"), raw=True)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{path} line {error.lineno}: {error.message}") from None
    tree = ast.parse(source)
    lines: Lines = []
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id == "debug_info":
            pairs = ast.literal_eval(node.value)
            lines = [tuple(map(int, pair.split("="))) for pair in pairs.split("&") if pair]
    simple = _is_simple(tree, environment.globals)
    if simple:
        tree.body = [node for node in tree.body if getattr(node, "module", None) != "jinja2.runtime"]
    return simple, lines, compile(tree, _CODE_NAME, "exec")


def _is_simple(tree: "ast.Module", jinja2_names: "Container[str]") -> bool:
    """Return whether the generated module `tree` (ast.Module) asks for no more than the stand-ins here can
    do.

    `jinja2_names`: the names that Jinja2 itself gives every fragment (range, dict ...); there are none of
    them here.
    """
    import ast

    imported = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "jinja2.runtime"
        for alias in node.names
    }
    allowed = {"environment": _SIMPLE_ENVIRONMENT, "context": _SIMPLE_CONTEXT}
    plain: Set[ast.AST] = set()
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in allowed
        ):
            if node.attr not in allowed[node.value.id]:
                return False
            plain.add(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name == "root":
            plain.update(node.args.defaults)
        elif (isinstance(node, ast.FunctionDef) and node.name.startswith("block_")) or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "resolve"
            and ast.literal_eval(node.args[0]) in jinja2_names
        ):
            return False
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load) or node in plain:
            continue
        if node.id in allowed or node.id == "cond_expr_undefined":
            return False
        if node.id in imported and node.id not in _SIMPLE_IMPORTS:
            return False
    return True


def _jinja2_pieces(code: "CodeType", names: "Names") -> "Generator[str, None, None]":
    """Return a generator of str: what `code` gives on the whole of Jinja2."""
    environment = _environment()
    from jinja2.runtime import Context
    from jinja2.utils import missing

    class NamesContext(Context):
        def resolve_or_missing(self, key: str) -> "Any":
            found = super().resolve_or_missing(key)
            return names.find(key, missing) if found is missing else found

    space: Dict[str, Any] = {"environment": environment}
    exec(code, space)
    context = NamesContext(environment, dict(environment.globals), None, space["blocks"])
    pieces: Generator[str, None, None] = space["root"](context)
    return pieces


def _stamp(path: str) -> "Stamp":
    found = os.stat(path)
    return path, found.st_ino, found.st_size, found.st_mtime_ns


def _stamps() -> "List[Stamp]":
    """Return what identifies each file that decides how a fragment is compiled and run."""
    import jinja2

    folder = os.path.dirname(jinja2.__file__)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".py"))
    return [
        _stamp(path)
        for path in [os.path.realpath(__file__)] + [os.path.join(folder, name) for name in names]
    ]


def _cache_folder() -> "Optional[int]":
    """Return a descriptor of the cache folder, or None where there is no safe one."""
    descriptor = os.open(rooted(CACHE), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if _ours(os.fstat(descriptor)):
        return descriptor
    os.close(descriptor)
    return None


def _ours(found: os.stat_result) -> bool:
    """Return whether the file of the stat result `found` is this user's and no other can have written it."""
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _kept(name: str, text: bytes) -> "Optional[Compiled]":
    """Return (simple, lines, code) from the cache, or None."""
    try:
        folder = _cache_folder()
        if folder is None:
            return None
        try:
            descriptor = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
            )
        finally:
            os.close(folder)
        with open(descriptor, "rb") as entry:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or not _ours(found):
                return None
            data = entry.read()
        # Damage is not an attack here: marshal reads only what passed the checks of ownership.
        if len(data) < 8 or crc32(data[4:]) != int.from_bytes(data[:4], "big"):
            return None
        # Before anything else: what another Python wrote, marshal cannot even read.
        if data[4:8] != _VERSION:
            return None
        stamps, kept_text, simple, lines, code = marshal.loads(data[8:])
        if kept_text != text or any(_stamp(stamp[0]) != stamp for stamp in stamps):
            return None
        return simple, lines, code
    except (OSError, ValueError, EOFError, TypeError):
        return None


def _keep(name: str, text: bytes, fragment: "Compiled") -> None:
    """Write (simple, lines, code) to the cache; where that cannot be, the next run compiles again."""
    try:
        data = _VERSION + marshal.dumps((_stamps(), text) + tuple(fragment))
        os.makedirs(rooted(os.path.dirname(CACHE)), exist_ok=True)
        try:
            os.mkdir(rooted(CACHE), 0o700)
        except FileExistsError:
            pass
        folder = _cache_folder()
        if folder is None:
            return
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(name + ".new", flags, 0o600, dir_fd=folder)
            with open(descriptor, "wb") as entry:
                entry.write(crc32(data).to_bytes(4, "big") + data)
            os.rename(name + ".new", name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)
    except OSError:
        pass
