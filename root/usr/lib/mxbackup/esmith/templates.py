"""Expands templates: finds their fragments, renders them in order, and replaces the output as one whole.

Nothing is lost: a file that is not the engine's own last output is kept as FILE.esmith-save before it is
replaced, and an older FILE.esmith-save as FILE.esmith-save.1 and so on. docs/fragments.md says how to write
a fragment.
"""

import os
import stat
import sys

from esmith import fragments as fragment
from esmith import metadata, plainfile
from esmith.errors import TemplateError
from esmith.paths import rooted
from esmith.written import Written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

    Say = Callable[[str], object]

QUEUE = ("/etc/e-smith/templates-custom", "/etc/e-smith/templates")
DEFAULT_BEGIN = "/etc/e-smith/templates-default/template-begin"
LEFT_OVERS = ("~", ".swp", ".orig", ".rpmsave", ".rpmnew", ".rpmorig")

# For an ESMITH_ROOT without a default begin: the one of the tree that the engine runs from.
_OWN_DEFAULT_BEGIN = os.path.realpath(__file__).rpartition("/usr/lib/mxbackup/")[0] + DEFAULT_BEGIN


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def fragments(path: str, queue: "Sequence[str]" = QUEUE, warn: "Say" = _to_stderr) -> "List[str]":
    """Return the fragment files of the template `path`, as real paths (list of str), in the order of the
    output.

    In `queue` (folders) the first wins where two have a fragment of the same name. Left-over files are
    passed over with a `warn` (a function of one str). Raises TemplateError where a folder cannot be read.
    """
    found: Dict[str, str] = {}
    saw_folder = False
    # The template as one file; no fragment in a folder can have that name.
    flat = "/" + os.path.basename(path)
    for folder in reversed(queue):
        place = rooted(folder) + path
        if os.path.isfile(place):
            found = {flat: place}
        elif os.path.isdir(place):
            saw_folder = True
            found.pop(flat, None)
            for name in _names(place):
                if name.endswith(LEFT_OVERS):
                    warn(f"{place}/{name}: skipped, a left-over by its name")
                elif os.path.isfile(os.path.join(place, name)):
                    found[name] = os.path.join(place, name)
                elif not os.path.isdir(os.path.join(place, name)):
                    # A link to nothing, mostly: what it was to give is not to go in silence.
                    warn(f"{place}/{name}: skipped, it is no file")
    if saw_folder and found and "template-begin" not in found:
        begin = rooted(DEFAULT_BEGIN)
        found["template-begin"] = begin if os.path.exists(begin) else _OWN_DEFAULT_BEGIN
    return [found[name] for name in sorted(found, key=_order)]


def render(path: str, queue: "Sequence[str]" = QUEUE, names: "Optional[fragment.Names]" = None) -> bytes:
    """Return the whole content (bytes) that an expansion of the template `path` (str) would write.

    Nothing is written; b"" where the output would be deleted. Raises TemplateError, naming the fragment and
    the line.
    """
    return _desired(_Template(path, None, queue, names or fragment.Names(keep=False)))[1] or b""


def diff(path: str, output: "Optional[str]" = None, queue: "Sequence[str]" = QUEUE) -> str:
    """Return the unified diff (str, "" for none) of the output as it is and as an expansion would make it.

    Nothing is written. Raises TemplateError.
    """
    from esmith.differences import unified

    template = _Template(path, output, queue, fragment.Names(keep=False))
    contents = _desired(template)
    texts = [(content or b"").decode("utf-8", "surrogateescape") for content in contents]
    names = [template.output if content is not None else "/dev/null" for content in contents]
    if contents[0] != contents[1] and texts[0] == texts[1]:
        # An empty file and none at all differ in their names alone.
        return f"--- {names[0]}\n+++ {names[1]}\n"
    return unified(*texts, *names)


def expand(
    path: str,
    output: "Optional[str]" = None,
    queue: "Sequence[str]" = QUEUE,
    names: "Optional[fragment.Names]" = None,
    warn: "Say" = _to_stderr,
    reset: bool = False,
) -> bool:
    """Expand the template `path` (str); return whether the file was replaced, or deleted where DELETE is set.

    `output`: another file to write; `queue`: the folders to search, the better one first; `names`: a
    fragments.Names, to share databases between expansions; `warn`: takes a line of warning (str); `reset`:
    mode 0644 and owner root even where the file has others, as an event does. What metadata says goes
    before. Raises TemplateError: then the output is as it was.
    """
    template = _Template(path, output, queue, names, warn)
    try:
        with Written(template.output) as written:
            current = template.current()[1]
            if template.metadata.delete:
                return _delete(template, current, written)
            template.refresh()
            if template.metadata.adopt and current and not written.known():
                content = template.adopting(current)
            else:
                content = template.content()
            return _replace(template, content, written, reset)
    except OSError as error:
        raise TemplateError(
            f"Could not expand {template.output}: {_told(error)}; it is as it was"
        ) from None


def _order(name: str) -> "Tuple[bool, bool, bytes]":
    name = name.lstrip("/")
    return name != "template-begin", name == "template-end", os.fsencode(name)


def _names(folder: str) -> "List[str]":
    try:
        return sorted(os.listdir(folder), key=os.fsencode)
    except OSError as error:
        raise TemplateError(f"{folder}: cannot be read: {error.strerror}") from None


class _Template:
    """One template: what it says, what its output is now and shall be. Raises TemplateError."""

    def __init__(
        self,
        path: str,
        output: "Optional[str]" = None,
        queue: "Sequence[str]" = QUEUE,
        names: "Optional[fragment.Names]" = None,
        warn: "Say" = _to_stderr,
    ) -> None:
        self.path = _checked(path)
        self.metadata = metadata.read(self.path)
        for warning in self.metadata.warnings:
            warn("WARNING: " + warning)
        self.output = _checked(output) if output else self.metadata.output
        self.place = rooted(self.output)
        self.custom: Optional[Tuple[str, bytes]] = None
        self._queue = queue
        self._names = names or fragment.Names()
        self._warn = warn

    def current(self) -> "Tuple[Optional[os.stat_result], Optional[bytes]]":
        """Return (stat result, content) of the output as it is now, (None, None) where there is none."""
        try:
            content, found = plainfile.read(self.place)
            return found, content
        except FileNotFoundError:
            if not os.path.isdir(os.path.dirname(self.place)):
                raise TemplateError(
                    f"Could not expand {self.output}: its folder is not there; make it first"
                ) from None
            return None, None
        except OSError as error:
            what = "it is a directory" if os.path.isdir(self.place) else error.strerror
            raise TemplateError(f"Could not expand {self.output}: {what}") from None

    def refresh(self) -> None:
        """See the databases as they are now: only under the output's lock, lest older data replace newer."""
        self._names.refresh()

    def content(self) -> bytes:
        """Return what the output shall be (bytes)."""
        return self._finished(self._pieces())

    def adopting(self, current: bytes) -> bytes:
        """Return what the output shall be (bytes) where the lines of `current` (bytes) are to be adopted.

        `custom` is then (path, text) of the fragment to write, where there is one.
        """
        pieces = self._pieces()
        place = rooted(QUEUE[0]) + self.metadata.template_path + "/" + self.metadata.adopt
        if os.path.lexists(place) or os.path.isfile(os.path.dirname(place)):
            return self._finished(pieces)
        lines = self._foreign(current, pieces)
        if not any(map(bytes.strip, lines)):
            return self._finished(pieces)
        self.custom = place, _as_fragment(lines)
        pieces = [piece for piece in pieces if os.path.basename(piece[0]) != self.metadata.adopt]
        pieces.append((place, b"".join(line + b"\n" for line in lines)))
        pieces.sort(key=lambda piece: _order(os.path.basename(piece[0])))
        return self._finished(pieces)

    def _foreign(self, current: bytes, pieces: "List[Tuple[str, bytes]]") -> "List[bytes]":
        """Return the lines (list of bytes) of `current` without what each of `pieces` gives, as one block.

        A single line that a fragment gives, too, stays: it must not go when the fragment gives it no longer.
        """
        rest = b"\n" + b"\n".join(current.splitlines()) + b"\n"
        for _, text in pieces:
            block = self._finished([("", text)])
            if block.endswith(b"\n"):
                rest = rest.replace(b"\n" + block, b"\n", 1)
        return rest[1:].split(b"\n")[:-1]

    def _pieces(self) -> "List[Tuple[str, bytes]]":
        files = fragments(self.metadata.template_path, self._queue, self._warn)
        if not files:
            raise TemplateError(f"No templates were found for {self.path}.")
        return [(path, fragment.render(path, self._names)) for path in files]

    def _finished(self, pieces: "Iterable[Tuple[str, bytes]]") -> bytes:
        content = b"".join(text for _, text in pieces)
        if self.metadata.blank_lines_go:
            content = b"".join(line + b"\n" for line in content.split(b"\n") if line.strip())
        return content


def _checked(path: str) -> str:
    """Return `path` (str) as an absolute path; TemplateError for one that names no file of its own."""
    parts = path.split("/")
    if ".." in parts or not path.strip("/") or "\0" in path:
        raise TemplateError(f"{path!r} is no path of a file to expand")
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def _as_fragment(lines: "List[bytes]") -> bytes:
    """Return the text (bytes) of a fragment that gives `lines` (list of bytes) as they are."""
    text = b"".join(line + b"\n" for line in lines)
    if b"{" not in text and b"}" not in text:
        return text
    braces = {ord("{"): b'{{ "{" }}', ord("}"): b'{{ "}" }}'}
    escaped = b"".join(braces.get(byte) or bytes((byte,)) for byte in text)
    return fragment.MARK + b": lines that were in the output before the engine wrote it #}\n" + escaped


def _desired(template: _Template) -> "Tuple[Optional[bytes], Optional[bytes]]":
    """Return (the output's content now or None, what it shall be or None: none) without writing anything."""
    current = template.current()[1]
    if template.metadata.delete:
        return current, None
    if template.metadata.adopt and current:
        with Written(template.output, looking=True) as written:
            adopting = not written.known()
        if adopting:
            return current, template.adopting(current)
    return current, template.content()


def _told(error: OSError) -> str:
    """Return what the OSError says, with the file where it names one."""
    name = f"{error.filename}: " if error.filename else ""
    return name + (error.strerror or str(error))


def _delete(template: _Template, current: "Optional[bytes]", written: Written) -> bool:
    from esmith import saves

    if current is None:
        return False
    if not written.own(current):
        saves.keep(template.place, template.output, current, template._warn)
    os.unlink(template.place)
    return True


def _replace(template: _Template, content: bytes, written: Written, reset: bool) -> bool:
    from esmith import atomicfile, saves

    # Also where the output stays as it is: without the fragment the next expansion would drop the lines.
    if template.custom is not None:
        _adopt(template, *template.custom)
    while True:
        # Once more, for somebody may have edited it while the fragments took their time.
        found, current = template.current()
        mode, uid, gid = _ownership(template, None if reset else found)
        if found is not None and current == content:
            _dress(template, found, mode, uid, gid)
            break
        if current is not None and not written.own(current):
            saves.keep(template.place, template.output, current, template._warn)
            noted = [content]
        else:
            noted = [text for text in (current, content) if text is not None]
        # What the engine wrote and does not know it would adopt, and never take out again.
        written.note(*noted, needed=bool(template.metadata.adopt))
        with atomicfile.Replacement(template.place, [content], mode, uid, gid) as replacement:
            # And once more, for it takes its time to get the new content onto the disk.
            if template.current()[1] == current:
                replacement.commit()
                break
    written.note(content)
    for name in (".rpmsave", ".rpmnew"):
        if found is not None and os.path.isfile(template.place + name):
            os.unlink(template.place + name)
    return current != content


def _dress(
    template: _Template, found: os.stat_result, mode: int, uid: "Optional[int]", gid: "Optional[int]"
) -> None:
    """Give the output, which is right already and was `found`, its mode and owner, too."""
    owner = found.st_uid, found.st_gid
    other_owner = os.geteuid() == 0 and uid is not None and gid is not None and (uid, gid) != owner
    if mode == stat.S_IMODE(found.st_mode) and not other_owner:
        return
    output = plainfile.descriptor(template.place)
    try:
        # What took its place meanwhile is not the engine's to give away.
        if os.path.samestat(os.fstat(output), found):
            if other_owner and uid is not None and gid is not None:
                os.fchown(output, uid, gid)
            os.fchmod(output, mode)
    finally:
        os.close(output)


def _ownership(template: _Template, found: "Optional[os.stat_result]") -> "Tuple[int, Optional[int], Optional[int]]":
    """Return (mode, uid, gid) for the output; those of `found` (stat result or None) are to be kept."""
    wanted = template.metadata
    uid: Optional[int]
    gid: Optional[int]
    mode, uid, gid = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) if found else (0o644, 0, 0)
    if wanted.perms is not None:
        mode = wanted.perms
    if wanted.uid is not None:
        uid = _number("user", wanted.uid, template)
    if wanted.gid is not None:
        gid = _number("group", wanted.gid, template)
    if os.geteuid() != 0 and not found:
        uid = gid = None
    return mode, uid, gid


def _number(kind: str, name: str, template: _Template) -> int:
    """Return the number of the user or group `name` (str: name or number); where there is none, root's."""
    import grp
    import pwd

    try:
        if kind == "user":
            return (pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)).pw_uid
        return (grp.getgrgid(int(name)) if name.isdigit() else grp.getgrnam(name)).gr_gid
    except (KeyError, OverflowError):
        template._warn(
            f"WARNING: {template.output}: no {kind} is called {name}; root's is taken"
        )
        return 0


def _adopt(template: _Template, path: str, text: bytes) -> None:
    """Write the custom fragment: `text`, the lines that were in the output before the engine first wrote it."""
    from esmith import atomicfile

    plainfile.make_folders(os.path.dirname(path))
    atomicfile.replace(path, text, mode=0o644)
    template._warn(
        f"WARNING: {template.output} was never written by the engine: its own lines are kept in {path}"
    )
