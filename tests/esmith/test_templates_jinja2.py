"""Fragments give the same bytes from the cache and without it, on the stand-ins and on the whole of Jinja2,
old and new."""

import json
import marshal
import os
import subprocess
import sys
from binascii import crc32

import needs
import pytest
from sandbox import ROOT

LIBRARY = str(ROOT / "usr/lib/mxbackup")
OLD_JINJA2 = os.path.join(sys.prefix, "jinja2-2.11")
EXPAND = str(ROOT / "sbin/e-smith/expand-template")

CONFIGURATION = """\
DomainName=doecom.net
SystemName=sme
count=3
dict=a record
empty=
items=t|get|g|items|i|key|k|lines|l|type|y
list=t|names|a.org,b.org,c.org|status|enabled
range=a record too
two=t|p|a\\nb
"""

CORPUS = [
    "",
    "\n",
    "text\n",
    "text",
    "  indented {{ SystemName }}  \n\n\n",
    "a\n  {% if SystemName %}\n  b\n  {% endif %}\nc\n",
    "{{ SystemName }}.{{ DomainName }}\n",
    "{{ nosuch }}|{{ nosuch.a.b['c'] }}|{{ SystemName.nosuch.more }}\n",
    "{% if nosuch %}y{% else %}n{% endif %}{% if not nosuch %}y{% endif %}",
    "{{ nosuch == nosuch }}{{ nosuch == '' }}",
    "{{ SystemName == 'sme' }}{{ SystemName != 'sme' }}{{ 'sme' == SystemName }}{{ empty == '' }}",
    "{{ DB['SystemName'] }}",
    "{% if empty %}y{% else %}n{% endif %}",
    "{{ list.status }}{{ list['status'] }}{{ list.get('nosuch', 'd') }}",
    "{{ items.key }}{{ items['key'] }}{{ items.get('get') }}",
    "{{ items.type }}{{ items['type'] }}{{ items.items }}",
    "{% for n in list.names.split(',') %}{{ n }};{% endfor %}",
    "{% for n in nosuch %}x{% else %}none{% endfor %}",
    "{% for n in list.names.split(',') if n != 'b.org' %}\n{{ n }}\n{% endfor %}\n",
    "{{ list.names.split(',')[1:] }}",
    "{% for k, v in list.props.items() %}{{ k }}={{ v }} {% endfor %}",
    "{{ [1, 'a', none, true, 1.5, (2, 3), {'k': 4}] }}",
    "{% set x = SystemName ~ '.' ~ DomainName %}{{ x }}{% set x = 1 %}{{ x }}",
    "{{ 1 + 2 * 3 }}{{ 7 // 2 }}{{ 2 ** 8 }}",
    "{{ 'a' if SystemName else 'b' }}{{ 'a' if nosuch else 'b' }}[{{ 'a' if nosuch }}]",
    "{{ 1 < 2 <= 2 }}{{ 'a' in 'abc' }}",
    "{% for r in DB.records('t') %}{{ r.key }}{% for n in 'a,b'.split(',') %}{{ n }}{% endfor %}{% endfor %}",
    "{% for n in list.names.split(',') %}{{ loop.index }}{{ loop.last }}{% endfor %}",
    "{{ list.names|upper }}|{{ nosuch|upper }}",
    "{{ nosuch|default('d') }}{{ SystemName|default('d') }}{{ list.nosuch|default('d') }}",
    "{{ SystemName|length }}",
    "{{ nosuch is defined }}{{ SystemName is defined }}{{ list.nosuch is undefined }}",
    "{{ list.names.split(',')|join(' ') }}",
    "{% macro m(a, b=2) %}<{{ a }}{{ b }}>{% endmacro %}{{ m(1) }}{{ m(SystemName, nosuch) }}",
    "{{ range(3)|list }}",
    "{% for i in range(3) %}{{ i }}{% endfor %}",
    "{{ dict(a=1) }}",
    "{% set ns = namespace(n=0) %}{{ ns.n }}",
    "{% set block %}x{{ SystemName }}{% endset %}{{ block }}",
    "{% filter upper %}a{{ SystemName }}{% endfilter %}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{% raw %}{{ x }}{% endraw %}",
    "{# c #}\n{#- d -#}\n x",
    "{{- 'a' -}}  \n b",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}x{% endcall %}",
    "{% block b %}x{{ SystemName }}{% endblock %}",
    "{{ use('os.path').basename('/a/b') }}{{ use('math').pi }}",
    "{{ use('operator').getitem([1, 2], 1) }}",
    "{{ '%s-%s' % (1, nosuch) }}",
    "{{ open_database('domains').records()[0].key }}{{ open_database('nosuch').records() }}",
    "\xe9 \u20ac {{ '\xe9' }}\n",
    "{{ '<&>' }}{{ list.names ~ '<' }}",
    "{{ [nosuch, list.nosuch] | join(',') }}",
    "{{ ('a', 'b')|first }}",
    "{{ count == '3' }}{{ count ~ 1 }}",
    "{% for a in [1, 2, 3] %}{% if a == 2 %}{% set b = a %}{{ b }}{% endif %}{% endfor %}",
    "{{ DB.value('SystemName') }}{{ 'SystemName' in DB }}{{ DB|length }}",
    "{% for k in DB %}{{ k }},{% endfor %}",
    "\r\nx\r\n",
    # Refused; the lines are the same too.
    "\n{{ two.p }}",
    "\n\n{{ nosuch() }}",
    "{{ nosuch + 1 }}",
    "{{ 1 / 0 }}\n",
    "{% for a in [1] %}\n{{ a.b.c() }}\n{% endfor %}",
    "{{ use('os').listdir('/no/such/folder') }}",
    "{{ x|nosuch }}",
    "{{ ",
    "{% endif %}",
    "\n{% if 1 %}",
    "{% include 'x' %}",
    "{{ -nosuch }}",
    "{% if 1 %}\n{{ SystemName|nosuch }}\n{% endif %}",
    "{{ SystemName < 1 }}",
    "{% set x = two.p %}",
    "{{ DB.nosuch('x') }}",
]

DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from esmith import compiled, fragments
if sys.argv[2] == "whole":
    compiled._is_simple = lambda *arguments: False
results = []
for path in json.loads(sys.stdin.read()):
    try:
        results.append([fragments.render(path, fragments.Names()).decode("latin-1"), None])
    except fragments.TemplateError as error:
        # Jinja2's own wording changes with its version.
        results.append([None, str(error).split(": ")[0]])
print(json.dumps([getattr(sys.modules.get("jinja2"), "__version__", None), results]))
"""


def render_all(sandbox, paths, how, jinja2=None):
    environment = dict(sandbox.environment)
    options = ["-S"]
    if jinja2:
        environment["PYTHONPATH"] = jinja2
    else:
        options.append("-I")
    result = subprocess.run(
        ["/usr/bin/python3", *options, "-c", DRIVER, LIBRARY, how],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture
def corpus(sandbox):
    sandbox.write("/home/e-smith/db/configuration", CONFIGURATION)
    sandbox.write("/home/e-smith/db/domains", "b.org=domain\n")
    return [
        str(sandbox.write(f"/fragments/{number}", "{# jinja2 #}\n" + text))
        for number, text in enumerate(CORPUS)
    ]


def clear_cache(sandbox):
    for entry in (sandbox / "/var/cache/e-smith-python").iterdir():
        entry.unlink()


def test_same_bytes_however_a_fragment_is_run(sandbox, corpus):
    version, cold = render_all(sandbox, corpus, "")
    assert version is not None
    seen = [cold, render_all(sandbox, corpus, "")[1]]
    clear_cache(sandbox)
    seen += [render_all(sandbox, corpus, "whole")[1], render_all(sandbox, corpus, "whole")[1]]
    clear_cache(sandbox)
    old_version, old = render_all(sandbox, corpus, "", OLD_JINJA2)
    assert old_version.startswith("2.11.")
    seen += [old, render_all(sandbox, corpus, "", OLD_JINJA2)[1]]
    clear_cache(sandbox)
    seen.append(render_all(sandbox, corpus, "whole", OLD_JINJA2)[1])
    for text, *results in zip(CORPUS, *seen, strict=True):
        assert all(result == results[0] for result in results), (text, results)
    refused = CORPUS.index("\n{{ two.p }}")
    assert [text is None for text, _ in cold] == [number >= refused for number in range(len(CORPUS))], [
        (CORPUS[n], r) for n, r in enumerate(cold) if (r[0] is None) != (n >= refused)
    ]


def test_every_shipped_fragment_runs_without_jinja2(sandbox):
    sandbox.plant()
    sandbox.write(
        "/home/e-smith/db/configuration", CONFIGURATION + "mxbackup=service|name|a.org,1|status|enabled\n"
    )
    sandbox.write("/home/e-smith/db/domains", "b.org=domain\n")
    paths = [
        str(path)
        for path in (sandbox / "/etc/e-smith/templates").rglob("*")
        if path.is_file() and path.read_bytes().startswith(b"{# jinja2")
    ]
    assert paths
    version, first = render_all(sandbox, paths, "")
    assert version is not None and all(text is not None for text, _ in first)
    again, second = render_all(sandbox, paths, "")
    assert again is None and second == first
    clear_cache(sandbox)
    assert render_all(sandbox, paths, "", OLD_JINJA2)[1] == first


# The cache is safe.


@pytest.fixture
def cached(sandbox):
    """A sandbox whose template /out/file is in the cache: (sandbox, cache folder, entry, fragment)."""
    sandbox.write("/home/e-smith/db/configuration", CONFIGURATION)
    sandbox.write("/etc/e-smith/templates/out/file/template-begin", "")
    fragment = sandbox.write("/etc/e-smith/templates/out/file/10a", "{# jinja2 #}\n{{ SystemName }}\n")
    (sandbox / "/out").mkdir()
    expand(sandbox)
    folder = sandbox / "/var/cache/e-smith-python"
    assert folder.stat().st_mode & 0o777 == 0o700
    (entry,) = folder.iterdir()
    return sandbox, folder, entry, fragment


def expand(sandbox, expected="sme\n"):
    (sandbox / "/out/file").unlink(missing_ok=True)
    result = sandbox.run("expand-template", "/out/file")
    assert (result.returncode, result.stderr) == (0, "")
    assert sandbox.read("/out/file") == expected


def forged(entry, **changes):
    """Return the bytes of the cache entry with other code, as somebody who may not would write it."""
    whole = entry.read_bytes()
    stamps, text, simple, lines, code = marshal.loads(whole[8:])
    code = compile("def root(context):\n    yield 'forged\\n'\n", "<fragment>", "exec")
    fields = {"version": whole[4:8], "stamps": stamps, "text": text, **changes}
    data = fields["version"] + marshal.dumps((fields["stamps"], fields["text"], True, lines, code))
    return crc32(data).to_bytes(4, "big") + data


def test_an_entry_is_used(cached):
    sandbox, folder, entry, fragment = cached
    entry.write_bytes(forged(entry))
    expand(sandbox, "forged\n")


def test_a_changed_fragment_is_compiled_again(cached):
    sandbox, folder, entry, fragment = cached
    before = fragment.stat()
    fragment.write_text("{# jinja2 #}\n{{ systemName }}\n")
    os.utime(fragment, ns=(before.st_atime_ns, before.st_mtime_ns))
    expand(sandbox, "\n")


@pytest.mark.parametrize("what", ["version", "jinja2", "gone", "text"])
def test_what_was_compiled_by_another_is_compiled_again(cached, what):
    sandbox, folder, entry, fragment = cached
    stamps, text, *_ = marshal.loads(entry.read_bytes()[8:])
    path, inode, size, mtime = stamps[-1]
    changes = {
        "version": {"version": bytes(4)},
        "text": {"text": text + b" "},
        "jinja2": {"stamps": stamps[:-1] + [(path, inode, size, mtime - 1)]},
        "gone": {"stamps": stamps[:-1] + [(path + ".gone", inode, size, mtime)]},
    }[what]
    entry.write_bytes(forged(entry, **changes))
    expand(sandbox)
    assert marshal.loads(entry.read_bytes()[8:])[0] == stamps


def test_what_another_python_wrote_is_compiled_again(cached):
    sandbox, folder, entry, fragment = cached
    # What Python 3.6.8 writes for the code `0`: to read it is a SystemError to a later one.
    code = bytes.fromhex(
        "e300000000000000000000000001000000400000007304000000640053002901e900000000"
        "a900720200000072020000007202000000da00da083c6d6f64756c653e010000007300000000"
    )
    data = b"\x03\x06\x08\xf0" + code
    entry.write_bytes(crc32(data).to_bytes(4, "big") + data)
    expand(sandbox)


@pytest.mark.parametrize(
    "damage", [b"", b"x", b"\0" * 5000, b"\xff" * 100], ids=["empty", "short", "zeros", "ones"]
)
def test_a_damaged_entry_is_compiled_again(cached, damage):
    sandbox, folder, entry, fragment = cached
    whole = entry.read_bytes()
    entry.write_bytes(damage)
    expand(sandbox)
    assert entry.read_bytes() == whole
    for cut in (1, len(whole) // 2, len(whole) - 1):
        entry.write_bytes(whole[:cut])
        expand(sandbox)
    entry.write_bytes(whole[:100] + b"\x55" + whole[101:])
    expand(sandbox)


def hostile():
    """The ways in which a cache can be hostile: functions of the folder and the entry (paths) that make it
    so."""

    def others_may_write_the_folder(folder, entry):
        folder.chmod(0o777)

    def the_group_may_write_the_folder(folder, entry):
        folder.chmod(0o770)

    def others_may_write_the_entry(folder, entry):
        entry.chmod(0o666)

    def the_entry_is_another_users(folder, entry):
        os.chown(entry, 65534, 65534)

    def the_folder_is_another_users(folder, entry):
        os.chown(folder, 65534, 65534)

    def the_folder_is_a_link(folder, entry):
        folder.rename(folder.parent / "elsewhere")
        folder.symlink_to("elsewhere")

    def the_entry_is_a_link(folder, entry):
        entry.rename(folder.parent / "elsewhere")
        entry.symlink_to("../elsewhere")

    def the_entry_is_a_pipe(folder, entry):
        entry.unlink()
        os.mkfifo(entry)

    def the_entry_is_a_folder(folder, entry):
        entry.unlink()
        entry.mkdir()

    def the_folder_is_a_file(folder, entry):
        entry.unlink()
        folder.rmdir()
        folder.write_text("")

    return locals()


HOSTILE = hostile()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_cache_is_not_used(cached, name):
    if "another_users" in name:
        needs.require("root")
    sandbox, folder, entry, fragment = cached
    entry.write_bytes(forged(entry))
    HOSTILE[name](folder, entry)
    expand(sandbox)
    expand(sandbox)


def test_no_cache_can_be_kept(cached):
    sandbox, folder, entry, fragment = cached
    entry.unlink()
    folder.rmdir()
    folder.parent.rmdir()
    folder.parent.write_text("a file")
    expand(sandbox)
