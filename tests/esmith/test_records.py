"""The format: the quick ways through a database find and write what the plain ones do."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from esmith import records

NASTY = st.sampled_from([
    b"a", b"ab", b"a b", b"a.b", b"eth", b"eth0", b" a", b"a ", b"", b"#", b" #", b"$", b"#a", b"\xe9",
    b"\xc3\xa9", b"10", b"9", b"\t", b"Z", b"_", b"~",
])
VALUES = st.sampled_from([b"", b"=", b"v", b"t|p|v", b"t|p", b" lead", b"a\\|b|p|q", b"x\\ny", b"\xff", b"#"])
LINES = st.one_of(
    st.builds(b"%b=%b".__mod__, st.tuples(NASTY, VALUES)), NASTY, st.just(b"   "), st.just(b"# a=comment"),
)
FILES = st.lists(LINES, max_size=8).map(lambda lines: b"".join(line + b"\n" for line in lines))
KEYS = NASTY.map(bytes.strip)
ORDERLY = st.dictionaries(KEYS.filter(lambda key: key > b"$"), VALUES, max_size=9).map(
    lambda table: b"".join(b"%b=%b\n" % item for item in sorted(table.items())),
)


@given(FILES, KEYS)
def test_a_search_finds_what_a_table_has(data, key):
    assert records.find(data, key) == records.parse(data).get(key)


@given(
    st.one_of(FILES, ORDERLY, ORDERLY.map(b"# a head\n# of=two lines\n".__add__)),
    st.dictionaries(KEYS.filter(lambda key: key and key[:1] != b"#"), st.none() | VALUES, max_size=4),
)
@settings(max_examples=500)
@example(b"eth=1\neth0=2\n", {b"eth-": b"x", b"eth0": None})
@example(b"", {b"a": b"1"})
def test_an_edit_in_place_writes_what_a_table_would(data, edits):
    table = records.parse(data)
    for key, value in edits.items():
        records.store(table, key, value)
    expected = b"".join(
        b"%b=%b\n" % (key, b"" if table[key] is records.NO_VALUE else table[key]) for key in sorted(table)
    )
    assert b"".join(map(bytes, records.edited(data, edits))) == expected


def test_an_edit_in_place_looks_beyond_one_chunk():
    lines = [b"key%06d=service|status|enabled|text|%b\n" % (n, b"x" * 50) for n in range(5000)]
    table = records.parse(b"".join(lines))
    edits = {b"key000000": b"first", b"key002500": None, b"key0025005": b"new", b"zzz": b"last"}
    assert b"".join(map(bytes, records.edited(b"".join(lines), edits))) == b"".join(
        b"%b=%b\n" % item for item in sorted({**table, **edits}.items()) if item[1] is not None
    )
    # One line out of order, far behind, and the whole file is sorted.
    swapped = lines[:4000] + [lines[4001], lines[4000]] + lines[4002:]
    assert b"".join(map(bytes, records.edited(b"".join(swapped), {}))) == b"".join(lines)


FIELD = st.binary(max_size=8).filter(
    lambda field: not set(field) & set(b"|\0") and not field.endswith(b"\\") and b"\\n" not in field,
)


@given(FIELD.filter(bytes.strip), st.dictionaries(FIELD.filter(bool), FIELD))
def test_a_value_is_taken_apart_as_it_was_joined(type_, props):
    raw = records.join_value(b"[" + type_ + b"]", {**props, b"\xff\xff\xff": b"]"})
    assert records.split_value(raw) == (b"[" + type_ + b"]", {**props, b"\xff\xff\xff": b"]"})
    assert b"\n" not in raw
