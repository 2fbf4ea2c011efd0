"""The database as a Python program uses it."""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from esmith.database import Database, Record
from esmith.errors import DatabaseError, EsmithError, FormatError, NoRecordError, RecordExistsError

SPACE = " \t\n\r\f\v"


@pytest.fixture
def here(sandbox, monkeypatch):
    """The sandbox, in this process, too."""
    (sandbox / "/home/e-smith/db").mkdir(parents=True)
    monkeypatch.setenv("ESMITH_ROOT", str(sandbox.path))
    for name in "DBPATH", "ESMITH_CONFIG_DB":
        monkeypatch.delenv(name, raising=False)
    return sandbox


def lines(sandbox, name="configuration"):
    text = (sandbox / "/home/e-smith/db" / name).read_bytes()
    return [line for line in text.decode("utf-8", "surrogateescape").splitlines() if not line.startswith("#")]


def test_records_are_made_read_changed_and_deleted(here):
    db = Database()
    made = db.create("mxbackup", "service", {"status": "enabled", "name": "smithnet.com,1"})
    assert isinstance(made, Record) and (made.key, made.type) == ("mxbackup", "service")
    assert lines(here) == ["mxbackup=service|name|smithnet.com,1|status|enabled"]

    record = Database()["mxbackup"]
    assert record.props == {"name": "smithnet.com,1", "status": "enabled"}
    assert (record.get("status"), record.get("none"), record.get("none", "x")) == ("enabled", "", "x")
    record.set("status", "disabled")
    assert record.get("status") == "disabled"
    record.merge({"access": "public", "transport": "tcp"})
    record.delete("transport", "never was")
    assert lines(here) == ["mxbackup=service|access|public|name|smithnet.com,1|status|disabled"]

    assert db.set_type("mxbackup", "daemon").type == "daemon"
    assert db.set_type("none", "daemon") is None
    assert db.set("mxbackup", "service").props == {}
    assert db.set_default("mxbackup", "other", {"a": "b"}).type == "service"
    assert db.delete("mxbackup") is True
    assert db.delete("mxbackup") is False
    assert lines(here) == []


def test_a_database_reads_like_a_mapping_in_byte_order(here):
    db = Database("domains")
    for key, type_ in (("b.org", "domain"), ("Z.org", "domain"), ("a.org", "other")):
        db.set(key, type_, {"Content": "Primary"})
    assert list(db) == ["Z.org", "a.org", "b.org"]
    assert len(db) == 3 and "a.org" in db and "c.org" not in db
    assert [record.key for record in db.records("domain")] == ["Z.org", "b.org"]
    assert [record.key for record in db.records()] == list(db)
    assert db.get("c.org") is None
    with pytest.raises(NoRecordError, match=r"/home/e-smith/db/domains has no record 'c\.org'"):
        db["c.org"]
    with pytest.raises(KeyError):
        db["c.org"]
    assert db.value("a.org") == "other|Content|Primary"
    assert db.value("c.org") == ""


def test_reading_sees_the_file_as_it_was_until_reload(here):
    db, other = Database(), Database()
    other.set("k", "new")
    assert "k" not in db
    db.reload()
    assert db["k"].type == "new"
    with pytest.raises(RecordExistsError, match="has a record 'k' already"):
        db.create("k", "other")


def test_a_transaction_is_one_write(here):
    db = Database()
    path = here / "/home/e-smith/db/configuration"
    db.set("old", "x")
    before = path.stat().st_ino
    with db.transaction():
        db.set("a", "t", {"p": "1"})
        db["a"].merge({"q": "2"})
        record = db["a"]
        record.delete("p")
        assert record.props == {"q": "2"}
        db.delete("old")
        assert list(db) == ["a"] and "old" not in db
        assert path.stat().st_ino == before and lines(here) == ["old=x"]
    assert lines(here) == ["a=t|q|2"]
    assert list(Database()) == ["a"] == list(db)


def test_a_transaction_sees_what_others_did_before_it(here):
    db = Database()
    Database().set("k", "t", {"count": "41"})
    with db.transaction():
        db["k"].set("count", str(int(db["k"].get("count")) + 1))
    assert lines(here) == ["k=t|count|42"]


def test_an_exception_undoes_a_transaction(here):
    db = Database()
    db.set("k", "t")
    with pytest.raises(FormatError), db.transaction():
        db.set("other", "t")
        db["k"].merge({"good": "1", "bad": "a|b"})
    assert lines(here) == ["k=t"] and list(db) == ["k"]
    assert os.listdir(here / "/home/e-smith/db") == ["configuration"]


def test_a_transaction_of_many_changes(here):
    db = Database()
    with db.transaction():
        for number in range(2000):
            db.set(f"key{number}", "t", {"n": str(number)})
    with db.transaction():
        for number in range(0, 2000, 2):
            db.delete(f"key{number}")
    assert len(db) == 1000 and db["key1999"].get("n") == "1999"


def test_transactions_do_not_nest(here):
    db = Database()
    with db.transaction():
        with pytest.raises(DatabaseError, match="in a transaction already"), db.transaction():
            pass
        db.set("k", "t")
    assert lines(here) == ["k=t"]


def test_a_preview_changes_nothing(here):
    db = Database()
    db.set("k", "t")
    with db.preview():
        db.set("k", "other")
        assert db["k"].type == "other"
    db.reload()
    assert lines(here) == ["k=t"] and db["k"].type == "t"


def test_what_was_opened_for_reading_is_not_changed(here):
    Database(create=True)
    db = Database(readonly=True)
    for change in (
        lambda: db.set("k", "t"), lambda: db.delete("k"), lambda: db.merge("k", {"a": "b"}),
        lambda: db.transaction().__enter__(),
    ):
        with pytest.raises(DatabaseError, match="was opened for reading only"):
            change()
    assert lines(here) == []


def test_what_is_no_text_is_refused(here):
    db = Database()
    for props in {"p": 5}, {"p": None}, {"p": "\ud800"}, {"p": b"v"}, {5: "v"}:
        with pytest.raises(FormatError, match="refused: it is no text"):
            db.set("k", "t", props)
    with pytest.raises(FormatError):
        db.get("\ud800")
    assert os.listdir(here / "/home/e-smith/db") == []


def test_a_long_value_makes_no_long_message(here):
    with pytest.raises(FormatError) as refusal:
        Database().set("k", "t", {"p": "x" * 10000 + "\x1b|"})
    assert len(str(refusal.value)) < 400


def test_waiting_for_oneself_is_refused(here):
    db = Database()
    busy = pytest.raises(DatabaseError, match="a transaction of this very program is under way")
    with db.transaction(), busy:
        Database().set("k", "t")
    Database().set("k", "t")
    assert lines(here) == ["k=t"]


def test_records_may_be_changed_while_they_are_gone_through(here):
    db = Database()
    for key in "abc":
        db.set(key, "t")
    with db.transaction():
        for record in db.records("t"):
            record.set("seen", "yes")
            db.delete("c")
    assert lines(here) == ["a=t|seen|yes", "b=t|seen|yes"]


def test_lines_that_cannot_be_looked_up_are_no_records(here):
    here.write("/home/e-smith/db/configuration", "novalue\n spaced =x\nk=t\n")
    db = Database()
    assert list(db) == ["k"] and len(db) == 1 and "novalue" not in db
    assert [record.key for record in db.records()] == ["k"]


def test_create_makes_the_file(here):
    Database("accounts")
    assert not (here / "/home/e-smith/db/accounts").exists()
    Database("accounts", create=True)
    assert (here / "/home/e-smith/db/accounts").stat().st_mode & 0o7777 == 0o640


def test_a_change_to_a_record_that_somebody_deleted_makes_none(here):
    Database().set("k", "t")
    record = Database()["k"]
    Database().delete("k")
    record.set("p", "v")
    assert lines(here) == []


@pytest.mark.parametrize("key", ["a=b", "a\nb", "#a", "  #a", "", " \t", "a\0b"])
def test_keys_that_a_database_cannot_hold(here, key):
    db = Database()
    for change in (
        lambda: db.create(key, "t"), lambda: db.set(key, "t"), lambda: db.set_default(key, "t"),
        lambda: db.set_type(key, "t"), lambda: db.merge(key, {"p": "v"}),
    ):
        with pytest.raises(FormatError, match="refused: it"):
            change()
    assert key not in db and db.get(key) is None and db.delete(key) is False
    assert os.listdir(here / "/home/e-smith/db") == []


@pytest.mark.parametrize("text", ["a|b", "|", "a\\", "\\", "a\\|", "a\0"])
def test_fields_that_a_database_cannot_hold(here, text):
    db = Database()
    db.set("k", "t", {"p": "v"})
    for change in (
        lambda: db.create("new", text), lambda: db.set("k", text), lambda: db.set_type("k", text),
        lambda: db.merge("k", {"p": text}), lambda: db.merge("k", {"q": "fine", text: "v"}),
        lambda: db.set("k", "t", {"1": "", "2": "", "3": "", "4": "", "5": text}),
    ):
        with pytest.raises(FormatError, match="'?k|new'?.*refused: it"):
            change()
    assert lines(here) == ["k=t|p|v"]


def test_every_failure_is_an_error_of_the_engine():
    for kind in DatabaseError, FormatError, NoRecordError, RecordExistsError:
        assert issubclass(kind, EsmithError) and kind.__doc__.endswith(".")


def test_the_environment_names_other_places(here, monkeypatch, tmp_path):
    (here / "/elsewhere").mkdir()
    monkeypatch.setenv("DBPATH", "/elsewhere")
    Database("domains").set("a", "t")
    assert (here / "/elsewhere/domains").exists()
    # A path that is in the sandbox already stays what it is.
    monkeypatch.setenv("DBPATH", str(here / "/elsewhere"))
    assert "a" in Database("domains")
    assert "a" in Database(str(here / "/elsewhere/domains"))
    monkeypatch.setenv("ESMITH_CONFIG_DB", "/elsewhere/other")
    Database().set("c", "t")
    assert (here / "/elsewhere/other").exists()


def test_a_database_in_the_place_of_early_releases(here):
    here.write("/home/e-smith/domains", "a=t\n")
    Database("domains").set("b", "t")
    assert (here / "/home/e-smith/domains").read_text().endswith("a=t\nb=t\n")
    here.write("/home/e-smith/db/domains", "new=t\n")
    assert list(Database("domains")) == ["new"]


# Any sequence of changes leaves what it would leave in a plain dictionary.

TEXT = st.text(
    st.sampled_from("\\ né\n\t#\udce9\udcff")
    | st.characters(exclude_characters="|\0=", exclude_categories=[]),
    max_size=6,
).filter(lambda text: not text.endswith("\\") and "\\n" not in text and encodable(text))


def encodable(text):
    """Whether the text is what some bytes stand for."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == text
    except UnicodeEncodeError:
        return False


KEYS = st.sampled_from(["a", "b c", "é", "10", "eth", "eth0", "\udce9"]) | TEXT.filter(
    lambda key: "\n" not in key and key.strip(SPACE) and not key.strip(SPACE).startswith("#"),
)
# What Perl trims at the ends of a whole value is left out: only the middle of a value keeps such a space.
FIELDS = TEXT.filter(lambda text: text == text.strip(SPACE) and not text.startswith("|"))
TYPES = FIELDS.filter(bool)
NAMES = FIELDS.filter(bool)
PROPS = st.dictionaries(NAMES, FIELDS, max_size=4)


class AgainstDictionary(RuleBasedStateMachine):
    """Changes to a database, and the same ones to {key: (type, {property: value})}."""

    folder = None

    @initialize()
    def begin(self):
        path = self.folder / "database"
        path.unlink(missing_ok=True)
        self.db = Database(str(path))
        self.path = str(path)
        self.model = {}
        self.transaction = None
        self.kept = None

    @rule(key=KEYS, type_=TYPES, props=PROPS)
    def set(self, key, type_, props):
        self.db.set(key, type_, props)
        self.model[key.strip(SPACE)] = (type_, dict(props))

    @rule(key=KEYS, type_=TYPES, props=PROPS)
    def create(self, key, type_, props):
        key = key.strip(SPACE)
        if key in self.model:
            with pytest.raises(RecordExistsError):
                self.db.create(key, type_, props)
        else:
            self.db.create(key, type_, props)
            self.model[key] = (type_, dict(props))

    @rule(key=KEYS, type_=TYPES, props=PROPS)
    def set_default(self, key, type_, props):
        self.db.set_default(key, type_, props)
        self.model.setdefault(key.strip(SPACE), (type_, dict(props)))

    @rule(key=KEYS, props=PROPS)
    def merge(self, key, props):
        self.db.merge(key, props)
        if key.strip(SPACE) in self.model:
            self.model[key.strip(SPACE)][1].update(props)

    @rule(key=KEYS, type_=TYPES)
    def set_type(self, key, type_):
        self.db.set_type(key, type_)
        if key.strip(SPACE) in self.model:
            self.model[key.strip(SPACE)] = (type_, self.model[key.strip(SPACE)][1])

    @rule(key=KEYS, data=st.data())
    def delete_props(self, key, data):
        known = sorted(self.model.get(key.strip(SPACE), ("", {}))[1])
        name = st.sampled_from(known) | NAMES if known else NAMES
        names = data.draw(st.lists(name, min_size=1, max_size=2))
        self.db.delete_props(key, *names)
        for name in names:
            self.model.get(key.strip(SPACE), ("", {}))[1].pop(name, None)

    @rule(key=KEYS)
    def delete(self, key):
        assert self.db.delete(key) == (self.model.pop(key.strip(SPACE), None) is not None)

    @precondition(lambda self: self.transaction is None)
    @rule()
    def begin_transaction(self):
        self.kept = {key: (type_, dict(props)) for key, (type_, props) in self.model.items()}
        self.transaction = self.db.transaction()
        self.transaction.__enter__()

    @precondition(lambda self: self.transaction is not None)
    @rule()
    def commit(self):
        self.transaction.__exit__(None, None, None)
        self.transaction = None

    @precondition(lambda self: self.transaction is not None)
    @rule()
    def roll_back(self):
        self.transaction.__exit__(ValueError, ValueError(), None)
        self.transaction = None
        self.model = self.kept

    @invariant()
    def reads_as_the_model(self):
        if not hasattr(self, "model"):
            return
        if self.transaction is None:
            found = {record.key: (record.type, record.props) for record in Database(self.path).records()}
            assert found == self.model
        assert {record.key: (record.type, record.props) for record in self.db.records()} == self.model

    def teardown(self):
        if getattr(self, "transaction", None) is not None:
            self.transaction.__exit__(ValueError, ValueError(), None)


def test_any_sequence_of_changes_is_that_of_a_dictionary(here, tmp_path):
    AgainstDictionary.folder = tmp_path
    AgainstDictionary.TestCase.settings = settings(
        max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck),
    )
    AgainstDictionary.TestCase().runTest()
