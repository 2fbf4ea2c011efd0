"""The diffs of dry runs say what patch(1) makes the new file of."""

import subprocess
import sys

import needs
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox import ROOT

sys.path.insert(0, str(ROOT / "usr/lib/mxbackup"))

from esmith.differences import unified  # noqa: E402

LINES = st.lists(
    st.sampled_from(["a\n", "b\n", "c\n", "d\n", "\n", "-x\n", "+y\n", "@@ z\n"]), max_size=25
).map("".join)


def patched(old, difference, folder):
    needs.require("patch")
    (folder / "file").write_text(old)
    result = subprocess.run(
        ["patch", "-s", "-N", "-p0", "file"], input=difference, cwd=folder, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return (folder / "file").read_text() if (folder / "file").exists() else ""


@settings(max_examples=60, deadline=None)
@given(old=LINES, new=LINES, ends=st.tuples(st.booleans(), st.booleans()))
def test_patch_makes_the_new_file(tmp_path_factory, old, new, ends):
    old, new = (text[:-1] if cut else text for text, cut in zip((old, new), ends, strict=True))
    difference = unified(old, new, "file", "file")
    if old == new:
        assert difference == ""
    else:
        assert patched(old, difference, tmp_path_factory.mktemp("patch")) == new


def test_long_files():
    lines = [f"d{number}.example.org\n" for number in range(100_000)]
    for other in (
        lines[::2],
        lines[::-1],
        ["x\n"] * 100_000,
        [line + "y\n" if n % 3 else line for n, line in enumerate(lines)],
    ):
        assert unified("".join(lines), "".join(other), "a", "b")
    assert unified("".join(lines), "".join(lines[:50_000] + ["x\n"] + lines[50_000:]), "a", "b") == (
        "--- a\n+++ b\n@@ -49998,6 +49998,7 @@\n"
        " d49997.example.org\n d49998.example.org\n d49999.example.org\n+x\n"
        " d50000.example.org\n d50001.example.org\n d50002.example.org\n"
    )
