"""The rooms of the library: who may import whom, who does, and the picture of it in docs/architecture.md.

Run as a program (`make picture`) it draws the picture anew.
"""

import ast
import pathlib

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = CHECKOUT / "root/usr/lib/mxbackup"
ARCHITECTURE = CHECKOUT / "docs/architecture.md"
BEGIN = "<!-- The picture: `make picture` draws it from the code. -->\n"
END = "<!-- End of the picture. -->\n"

# The rooms bottom up, each with those that it may import. All of them are below it: no arrow goes upwards.
# A room is a folder of mxbackup/ or a module beside them; esmith/ as a whole is the lowest.
MAY_IMPORT = {
    "esmith": (),
    "terminal": ("esmith",),
    "network": ("esmith", "terminal"),
    "rules": ("esmith", "terminal"),
    "host": ("esmith", "terminal"),
    "mailservers": ("esmith", "terminal", "network", "rules", "host"),
    "mailfiles": ("esmith", "terminal", "rules", "host", "mailservers"),
    "check": ("esmith", "terminal", "network", "rules", "host", "mailservers", "mailfiles"),
    "panel": ("esmith", "terminal", "network", "rules", "host", "mailservers", "mailfiles", "check"),
    # `mxbackup panel` starts the panel's own server.
    "commands": ("esmith", "terminal", "network", "rules", "host", "mailservers", "mailfiles", "check", "panel"),
    # A table of the commands, each imported when it is asked for. What it cannot know otherwise is what a
    # refused rule raises.
    "cli": ("esmith", "terminal", "rules", "commands"),
    # Names that fragments use, an administrator's too (docs/fragments.md): nothing else of ours imports them.
    "targets": ("mailfiles",),
    "thishost": ("mailfiles",),
}
# What says who the package is, for every room: nothing of it is imported but the version.
NOT_A_ROOM = {"__init__", "__main__"}
PUBLISHED = {"targets", "thishost"}


def modules():
    """Yield (room, path) of each module of the library."""
    for path in sorted(LIBRARY.rglob("*.py")):
        package, first, *_ = path.relative_to(LIBRARY).parts
        room = "esmith" if package == "esmith" else first.partition(".")[0]
        if room not in NOT_A_ROOM:
            yield room, path


def imported(path):
    """Yield the full name of all that the module `path` imports, at its top or in a function."""
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # What import_module() is given, as in the table of the commands.
            words = node.value.split(".")
            if words[0] == "mxbackup" and len(words) > 2 and all(word.isidentifier() for word in words):
                yield node.value


def room_of(name):
    """Return the room (str) of the imported `name` (str), None for what is not in one of ours."""
    package, _, rest = name.partition(".")
    if package == "esmith":
        return "esmith"
    room = rest.partition(".")[0]
    return room if package == "mxbackup" and room != "__version__" else None


def arrows():
    """Return who imports whom: {(room, imported room): set of the modules (str) that do}."""
    found = {}
    for room, path in modules():
        for other in map(room_of, imported(path)):
            if other not in (None, room):
                found.setdefault((room, other), set()).add(str(path.relative_to(LIBRARY)))
    return found


def picture():
    """Return the picture (str): a line for each room, from the top down, with a mark below whom it imports."""
    names = list(MAY_IMPORT)
    imports = arrows()
    columns = [name for name in names if any(other == name for _, other in imports)]
    width = max(map(len, names)) + 2
    lines = [" " * width + "  ".join(columns)]
    for name in reversed(names):
        marks = ["x" if (name, other) in imports else "" for other in columns]
        cells = "  ".join(mark.center(len(other)) for mark, other in zip(marks, columns, strict=True))
        lines.append(f"{name:{width}}{cells}".rstrip())
    return "".join(f"{line}\n" for line in ("```", *lines, "```"))


def drawn():
    """Return (text before, the picture as it stands, text after) of docs/architecture.md."""
    before, begin, rest = ARCHITECTURE.read_text().partition(BEGIN)
    shown, end, after = rest.partition(END)
    assert begin and end, f"{ARCHITECTURE} has no place for the picture"
    return before + begin, shown, end + after


if __name__ == "__main__":
    before, _, after = drawn()
    ARCHITECTURE.write_text(before + picture() + after)
