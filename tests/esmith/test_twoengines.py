"""The fragment shape that both engines run: the same bytes from the real Text::Template and from ours."""

import subprocess
import sys

import pytest
from sandbox import ROOT
from twoengines import perl, shape_faults

sys.path.insert(0, str(ROOT / "usr/lib/mxbackup"))

from esmith import atomicfile, lastlines  # noqa: E402

PATH = "out/file/20QandD"
HEAD = """\
{# jinja2
$OUT = `/usr/lib/mxbackup/fragment out/file/20QandD`;
if ($?) {
    open my $last, '<', '/var/lib/mxbackup/lines/out/file/20QandD' or die "20QandD failed";
    warn "20QandD gives its last lines";
    $OUT = join '', <$last>;
}
my $jinja2 = q{{ #}
"""
TAIL = "{# }} #}"

BODIES = {
    "nothing": "",
    "nothing after all": "{% if nosuch %}\nx\n{% endif %}\n",
    "a line": "{{ SystemName }}.{{ DomainName }}\n",
    "no newline": "{{ SystemName }}",
    "blank lines": "\n\n{{ SystemName }}\n\n\n",
    "many lines": "{% for n in list.names.split(',') %}\n{{ n }}\n.{{ n }}\n{% endfor %}\n",
    "what Perl would take": "$x @y %z \\ \\\\ 'a' \"b\" `c` # d\n{{ '$OUT' }}\n=pod\n__END__\n",
    "braces as text": '{{ "\\x7b" }}{{ "\\x7d" }}\n',
    "braces in data": "{{ braces.p }}\n",
    "any bytes": "\xe9\u20ac {{ bytes.p }}\n",
    "a dictionary": "{{ {'a': {'b': 1}}.a.b }}\n",
}


@pytest.fixture
def tree(sandbox):
    sandbox.plant()
    sandbox.write(
        "/home/e-smith/db/configuration",
        b"DomainName=doecom.net\nSystemName=sme\nbraces=t|p|}{ $x {{ 7*7 }}\nbytes=t|p|\xe9\xff\x01\n"
        b"list=t|names|a.org,b.org\ntwo=t|p|a\\nb\n",
    )
    sandbox.write("/etc/e-smith/templates/out/file/template-begin", "")
    (sandbox / "/out").mkdir()
    return sandbox


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "between others"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_same_bytes(tree, body, alone):
    text = HEAD + body + TAIL
    assert shape_faults(PATH, text.encode()) == []
    tree.write("/etc/e-smith/templates/" + PATH, text)
    if not alone:
        tree.write("/etc/e-smith/templates/out/file/10first", "first\n")
        tree.write("/etc/e-smith/templates/out/file/30last", "last\n")
    result = perl(tree, "expand-template", "/out/file")
    assert (result.returncode, result.stderr) == (0, "")
    theirs = (tree / "/out/file").read_bytes()
    (tree / "/out/file").unlink()
    assert tree.run("expand-template", "/out/file").returncode == 0
    assert (tree / "/out/file").read_bytes() == theirs


def test_the_custom_fragment_is_what_the_helper_prints(tree):
    tree.write("/etc/e-smith/templates/" + PATH, HEAD + "core\n" + TAIL)
    tree.write("/etc/e-smith/templates-custom/" + PATH, HEAD + "custom\n" + TAIL)
    perl(tree, "expand-template", "/out/file")
    assert tree.read("/out/file") == "custom\n"


@pytest.mark.parametrize(
    "body, message",
    [
        ("{{ two.p }}\n", "holds a newline"),
        ("{{ x|nosuch }}\n", "No filter named 'nosuch'"),
        ("{{ use('nosuch') }}\n", "nosuch"),
    ],
)
def test_a_helper_that_fails_makes_the_perl_expansion_fail(tree, body, message):
    tree.write("/etc/e-smith/templates/" + PATH, HEAD + body + TAIL)
    tree.write("/out/file", "kept\n")
    result = perl(tree, "expand-template", "/out/file")
    assert message in result.stderr and "20QandD failed" in result.stderr
    assert tree.read("/out/file") == "kept\n"


def test_a_helper_that_is_not_there_makes_the_perl_expansion_fail(tree):
    text = (HEAD + "x\n" + TAIL).replace("/usr/lib/mxbackup/fragment", "/nosuch/fragment")
    tree.write("/etc/e-smith/templates/" + PATH, text)
    tree.write("/out/file", "kept\n")
    assert "20QandD failed" in perl(tree, "expand-template", "/out/file").stderr
    assert tree.read("/out/file") == "kept\n"


def test_a_helper_that_fails_gives_what_it_gave_last_with_a_warning(tree):
    tree.write("/etc/e-smith/templates/" + PATH, HEAD + "{{ list.names }}\n" + TAIL)
    tree.write("/etc/e-smith/templates/out/file/10core", "before\n")
    assert perl(tree, "expand-template", "/out/file").stderr == ""
    (tree / "/usr/lib/mxbackup").unlink()
    tree.write("/usr/lib/mxbackup/fragment", "#!/bin/sh\necho torn; exit 1\n", 0o755)
    for core in ("now", "later"):
        tree.write("/etc/e-smith/templates/out/file/10core", core + "\n")
        ran = perl(tree, "expand-template", "/out/file")
        assert "WARNING in" in ran.stderr and "20QandD gives its last lines" in ran.stderr
        assert tree.read("/out/file") == core + "\na.org,b.org\n"


def test_a_helper_that_is_not_there_gives_what_it_gave_last(tree):
    tree.write("/etc/e-smith/templates/" + PATH, HEAD + "x" + TAIL)
    perl(tree, "expand-template", "/out/file")
    text = (HEAD + "x" + TAIL).replace("/usr/lib/mxbackup/fragment", "/nosuch/fragment")
    tree.write("/etc/e-smith/templates/" + PATH, text)
    (tree / "/out/file").unlink()
    assert "its last lines" in perl(tree, "expand-template", "/out/file").stderr
    assert tree.read("/out/file") == "x"


def test_what_a_fragment_gave_last_can_be_nothing(tree):
    tree.write("/etc/e-smith/templates/" + PATH, HEAD + TAIL)
    tree.write("/etc/e-smith/templates/out/file/10core", "core\n")
    perl(tree, "expand-template", "/out/file")
    assert tree.read("/var/lib/mxbackup/lines/" + PATH) == ""
    tree.write("/etc/e-smith/templates/" + PATH, HEAD + "{{ use('nosuch') }}" + TAIL)
    ran = perl(tree, "expand-template", "/out/file")
    assert "its last lines" in ran.stderr and tree.read("/out/file") == "core\n"


def test_what_cannot_be_kept_is_not_an_older_text(tree, monkeypatch):
    monkeypatch.setenv("ESMITH_ROOT", str(tree.path))
    kept = tree / "/var/lib/mxbackup/lines/a/b"
    lastlines.keep("a/b", b"1")
    assert kept.read_bytes() == b"1"

    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomicfile, "replace", full)
    lastlines.keep("a/b", b"1")
    assert kept.read_bytes() == b"1"
    lastlines.keep("a/b", b"2")
    assert not kept.exists()


def test_the_helper_alone(tree):
    def helper(*arguments):
        return subprocess.run(
            [str(ROOT / "usr/lib/mxbackup/fragment"), *arguments],
            env=tree.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    tree.write("/etc/e-smith/templates/" + PATH, HEAD + "x" + TAIL)
    tree.write("/etc/e-smith/templates/out/file/plain", "x\n")
    result = helper(PATH)
    assert (result.returncode, result.stdout, result.stderr) == (0, "x", "")
    assert helper().returncode == 2
    for wrong in ("out/file/nosuch", "out/file", "out/file/plain", "../../../../etc/passwd"):
        result = helper(wrong)
        assert result.returncode == 1 and result.stderr.startswith("ERROR: ") and result.stdout == ""


@pytest.mark.parametrize(
    "text, fault",
    [
        ("plain\n", "first lines"),
        ("{# jinja2 #}\nx\n", "first lines"),
        ((HEAD + TAIL).replace(' or die "20QandD failed"', ""), "first lines"),
        ((HEAD + TAIL).replace("lines/out/file/20QandD", "lines/out/file/30QandD"), "lines of out/file/30QandD"),
        (HEAD + "x\n" + TAIL + "\n", "without a newline"),
        (HEAD + "{{ x }\n" + TAIL, "not balanced"),
        (HEAD + "}{\n" + TAIL, "not balanced"),
        (HEAD + "\\{\n\\}" + TAIL, "a backslash before a brace"),
        (HEAD.replace("20QandD`", "30QandD`") + TAIL, "asks for the fragment out/file/30QandD"),
    ],
)
def test_a_wrong_shape_is_told(text, fault):
    assert any(fault in found for found in shape_faults(PATH, text.encode()))


def test_every_shipped_fragment_of_the_contrib_has_the_shape():
    templates = ROOT / "etc/e-smith/templates"
    # The core fragments of hosts without e-smith are Jinja2 alone: there is no Perl engine to read them.
    shipped = [path for path in templates.rglob("*") if path.is_file() and b"$OUT" in path.read_bytes()]
    assert len(shipped) >= 4
    # A link to the same fragment of another mail server asks for that one.
    for path in {path.resolve() for path in shipped}:
        assert shape_faults(str(path.relative_to(templates)), path.read_bytes()) == [], path


def test_the_documented_example_has_the_shape():
    text = (ROOT.parent / "docs/fragments.md").read_bytes()
    example = text.partition(b"\n```\n")[2].partition(b"\n```")[0]
    assert shape_faults("var/qmail/control/rcpthosts/20QandD", example) == []
