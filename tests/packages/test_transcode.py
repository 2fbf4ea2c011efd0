"""The ISO-8859-1 variant: what people read is in that charset, and what does not fit stops the build."""

import os
import subprocess

import pytest
from hosts import copy_checkout
from sandbox import CHECKOUT

TRANSCODE = CHECKOUT / "packaging/transcode"
LEXICON = "root/etc/e-smith/locale/fr/etc/e-smith/web/functions/mxbackup"
TEXT = '<?xml version="1.0" encoding="{}"?>\n<lexicon lang="fr">été\n</lexicon>\n'


def transcode(charset, folder):
    return subprocess.run([str(TRANSCODE), charset, str(folder)], capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path):
    for name, text in {LEXICON: TEXT.format("UTF-8"),
                       "root/usr/lib/mxbackup/charset": "UTF-8\n", "README.md": "façade\n",
                       "root/usr/lib/mxbackup/mxbackup/panel.py": "# déjà\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_lexicons_and_documents_change_and_programs_do_not(tree):
    assert transcode("ISO-8859-1", tree).returncode == 0
    assert (tree / LEXICON).read_bytes() == \
        TEXT.format("ISO-8859-1").encode("latin-1")
    assert (tree / "README.md").read_bytes() == b"fa\xe7ade\n"
    assert (tree / "root/usr/lib/mxbackup/charset").read_bytes() == b"ISO-8859-1\n"
    assert (tree / "root/usr/lib/mxbackup/mxbackup/panel.py").read_text(encoding="utf-8") == "# déjà\n"


def test_utf_8_changes_nothing(tree):
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert transcode("UTF-8", tree).returncode == 0
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before


def test_every_character_that_does_not_fit_is_named_with_file_and_line(tree):
    (tree / LEXICON).write_text("é\nl’été\n", encoding="utf-8")
    (tree / "README.md").write_text("€ 5\n", encoding="utf-8")
    before = (tree / LEXICON).read_bytes()
    refused = transcode("ISO-8859-1", tree)
    assert refused.returncode == 1
    assert f"{LEXICON}:2: RIGHT SINGLE QUOTATION MARK (U+2019) is not in ISO-8859-1" in refused.stderr
    assert "README.md:1: EURO SIGN (U+20AC)" in refused.stderr
    assert (tree / LEXICON).read_bytes() == before
    assert (tree / "root/usr/lib/mxbackup/charset").read_text() == "UTF-8\n"


def test_what_is_not_utf_8_is_named_too(tree):
    (tree / LEXICON).write_bytes(b"a\nb\n\xe9\n")
    refused = transcode("ISO-8859-1", tree)
    assert refused.returncode == 1 and f"{LEXICON}:3: not UTF-8" in refused.stderr


def test_a_character_that_does_not_fit_stops_the_build(tmp_path):
    tree = copy_checkout(tmp_path / "tree")
    with open(tree / LEXICON, "a", encoding="utf-8") as lexicon:
        lexicon.write("<!-- … -->\n")
    refused = subprocess.run([str(tree / "packaging/build-rpms"), str(tmp_path / "out")],
                             capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"{LEXICON}:" in refused.stderr and "HORIZONTAL ELLIPSIS" in refused.stderr
    assert not list((tmp_path / "out").glob("*.rpm"))


@pytest.mark.parametrize("variant,charset,kind", [
    ("latin1", "iso-8859-1", "ISO-8859"), ("utf8", "utf-8", "UTF-8")])
@pytest.mark.needs("file")
def test_a_decoder_and_file_agree_on_what_the_packages_hold(built, tmp_path, variant, charset, kind):
    package = getattr(built, variant)
    with subprocess.Popen(["rpm2cpio", str(package)], stdout=subprocess.PIPE) as payload:
        subprocess.run(["cpio", "-idm", "--quiet", "--no-absolute-filenames"], stdin=payload.stdout,
                       cwd=tmp_path, check=True)
    found = 0
    for path in (tmp_path / "etc/e-smith/locale").rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        if data.isascii():
            continue
        found += 1
        source = (CHECKOUT / "root" / path.relative_to(tmp_path)).read_text(encoding="utf-8")
        assert data.decode(charset).split("\n", 1)[1] == source.split("\n", 1)[1]
        if charset != "utf-8":
            with pytest.raises(UnicodeDecodeError):
                data.decode("utf-8")
        said = subprocess.run(["file", "--brief", str(path)], capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": "C"}).stdout
        assert kind in said
    assert found
