"""The journal and the rules agree, whatever happens; and an undo is what a model says."""

import errno
import json
import os
import random
import signal
import stat
import sys

import pytest
from sandbox import ROOT

sys.path.insert(0, str(ROOT / "usr/lib/mxbackup"))

from esmith.database import Database  # noqa: E402
from esmith.errors import DatabaseError  # noqa: E402
from mxbackup.mailfiles import change, undo  # noqa: E402
from mxbackup.rules import extras, journal, record, state  # noqa: E402

NAMES = [f"n{number}.org" for number in range(6)]
# What writes, as far as a program can be stopped before it, or told that the disk is full.
WRITING = ("open", "write", "pwrite", "fsync", "rename", "unlink", "ftruncate", "link", "fchmod", "makedirs")
NEEDS_ROOM = ("open", "write", "pwrite", "fsync", "makedirs")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty `/` with a folder for the databases."""
    monkeypatch.setenv("ESMITH_ROOT", str(tmp_path))
    (tmp_path / "home/e-smith/db").mkdir(parents=True)
    return tmp_path


def carry_out(edit, **named):
    return change.carry_out(edit, signal=None, **named).done


def now():
    """The rules, as (enabled, kinds)."""
    found = state.load(Database())
    return found.enabled, {name: found.item(name) for name in found.kinds}


def lists(found):
    """The same without what rules have beside their kinds."""
    return found[0], {name: item["kind"] for name, item in found[1].items()}


def replayed(place):
    """What the journal says that the rules are, and its last number."""
    lines = [json.loads(line) for line in (place / "var/lib/mxbackup/journal").read_bytes().splitlines()]
    assert all(line["done"] == 1 for line in lines)
    found = state.from_object(lines[0]["base"])
    number = lines[0]["number"]
    for entry in journal.entries():
        assert entry.number == number + 1
        number = entry.number
        entry.lead(found)
    return (found.enabled, {name: found.item(name) for name in found.kinds}), number


def some_edit(randomly):
    """A random change of the record, as a function of the database."""
    names = randomly.sample(NAMES, randomly.randint(1, 3))
    kind = randomly.choice(("HOST", "DOMAIN"))
    note = str(randomly.random())
    return randomly.choice((
        lambda db: record.add([(name, kind) for name in names], db),
        lambda db: record.add([(name, kind) for name in names], db),
        lambda db: noted(names, db, note),
        lambda db: record.remove(names, db),
        lambda db: record.replace([(name, kind) for name in names], db),
        record.enable, record.disable,
    ))


def noted(names, db, note):
    """Add rules with a note."""
    done = record.add([(name, "HOST") for name in names], db)
    for name in names:
        extras.put(name, {"note": note}, db)
    return done


def by_hand(randomly):
    """Change the record as `db` does."""
    names = ",".join(f"{name},{randomly.randint(0, 1)}" for name in randomly.sample(NAMES, 3))
    db = Database()
    db.set("mxbackup", "service", {"name": names, "status": randomly.choice(("enabled", "disabled"))})


def in_a_child(edit, moment, hit):
    """Carry out `edit` in a process that meets `hit(name)` from its system call number `moment` on."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    calls = [0]

    def met(name, call):
        def stand_in(*arguments, **named):
            calls[0] += 1
            if calls[0] > moment:
                hit(name, arguments)
            return call(*arguments, **named)
        return stand_in

    status = 1
    try:
        for name in WRITING:
            setattr(os, name, met(name, getattr(os, name)))
        carry_out(edit)
        status = 0
    except BaseException as error:  # noqa: BLE001 (the parent looks at what is left)
        status = 3 if "No space" in str(error) else 1
    finally:
        os._exit(status)


def kill(_name, _arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def no_room(name, arguments):
    making = name != "open" or arguments[1] & os.O_CREAT
    if name in NEEDS_ROOM and making:
        raise OSError(errno.ENOSPC, "No space left on device")


def agree_after(place, hit, rounds, seed):
    """Meet `hit` at random moments of random changes; after each, journal and rules are both old or both new."""
    randomly = random.Random(seed)
    old = new = 0
    carry_out(lambda db: record.add([("first.org", "HOST")], db))
    for _ in range(rounds):
        if randomly.random() < 0.2:
            by_hand(randomly)
        change.look()
        before, number = now(), replayed(place)[1]
        edit = some_edit(randomly)
        db = change.Preview()
        edit(db)
        found = state.load(db)
        after = found.enabled, {name: found.item(name) for name in found.kinds}
        status = in_a_child(edit, randomly.randint(0, 34), hit)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) in (0, 3)
        there = now()
        # What a rule has beside its kind is a file of its own, written just before: of that there may be more.
        assert there in (before, after) or lists(there) in (lists(before), lists(after))
        beside = randomly.random() < 0.3
        if beside:
            by_hand(randomly)
        change.look()
        said, last = replayed(place)
        assert said == now()
        made = there != before
        if not beside:
            assert last == number + made
            assert not made or journal.entries()[-1].who is not None
        old, new = old + (not made), new + made
        assert os.listdir(place / "var/lib/mxbackup") == ["journal"]
    assert old and new


def test_killed_at_some_moments_journal_and_rules_agree(place):
    agree_after(place, kill, 30, 1)


def test_on_a_full_disk_at_some_moments_journal_and_rules_agree(place):
    agree_after(place, no_room, 20, 2)


@pytest.mark.parametrize("database", ["configuration", "mxbackup"])
def test_an_error_between_the_two_databases_says_that_a_part_was_written(place, monkeypatch, database):
    def added(db):
        record.add([("a.org", "HOST")], db)
        extras.put("a.org", {"note": "before"}, db)
        return True

    def changed(db):
        if database == "mxbackup":
            return record.remove(["a.org"], db)
        record.add([("a.org", "DOMAIN")], db)
        extras.put("a.org", {"note": "after"}, db)
        return True

    carry_out(added)
    write = Database._write

    def no_room_for_one(self, changes, *arguments, **named):
        if changes and self.path.endswith("/" + database):
            raise DatabaseError(f"{self.label} cannot be written: No space left on device")
        return write(self, changes, *arguments, **named)

    with monkeypatch.context() as full:
        full.setattr(Database, "_write", no_room_for_one)
        with pytest.raises(change.HalfDone, match="No space left.*a part of the change was written before: a.org. "):
            carry_out(changed)
    step, = change.look()[-1].steps
    assert step == ("a.org", {"kind": "HOST", "note": "before"},
                    {"kind": "HOST", "note": "after"} if database == "configuration" else None)


@pytest.mark.proof
def test_killed_at_300_moments_journal_and_rules_agree(place):
    agree_after(place, kill, 300, 3)


@pytest.mark.proof
def test_on_a_full_disk_at_100_moments_journal_and_rules_agree(place):
    agree_after(place, no_room, 100, 4)


class Model:
    """What the rules and their history should be: a list of (before, after), each {item: value}."""

    def __init__(self):
        self.made = []
        self.items = {"": True}

    def turn(self, after):
        changed = {key for key in {**self.items, **after} if self.items.get(key) != after.get(key)}
        if changed:
            self.made.append({key: (self.items.get(key), after.get(key)) for key in changed})
        self.items = after

    def undo(self, number):
        """Whether it can be; then it is."""
        was = self.made[number - 1]
        if any(self.items.get(key) != after for key, (_, after) in was.items()):
            return False
        after = {**self.items, **{key: before for key, (before, _) in was.items()}}
        self.turn({key: value for key, value in after.items() if value is not None})
        return True


def undo_equals_the_model(place, sequences, seed):
    randomly = random.Random(seed)
    taken = refused = 0
    for number in range(sequences):
        os.environ["ESMITH_ROOT"] = str(place / str(number))
        (place / str(number) / "home/e-smith/db").mkdir(parents=True)
        model = Model()
        carry_out(lambda db: record.add([("first.org", "HOST")], db))
        model.turn({"": True, "first.org": {"kind": "HOST"}})
        for _ in range(randomly.randint(4, 12)):
            if model.made and randomly.random() < 0.5:
                wanted = randomly.choice((None, randomly.randint(1, len(model.made))))
                if model.undo(wanted or len(model.made)):
                    carry_out(undo.edit(wanted), removing=9)
                    taken += 1
                else:
                    with pytest.raises(undo.Conflict):
                        carry_out(undo.edit(wanted), removing=9)
                    refused += 1
            else:
                if randomly.random() < 0.2:
                    by_hand(randomly)
                    change.look()
                else:
                    carry_out(some_edit(randomly), removing=9)
                enabled, kinds = now()
                model.turn({"": enabled, **kinds})
            enabled, kinds = now()
            assert {"": enabled, **kinds} == model.items
            assert journal.entries()[-1].number == len(model.made)
    assert taken > sequences and refused > sequences / 10


def test_undo_over_random_sequences_equals_a_model(place):
    undo_equals_the_model(place, 25, 5)


@pytest.mark.proof
def test_undo_over_500_random_sequences_equals_a_model(place):
    undo_equals_the_model(place, 500, 6)


def test_an_ignored_entry_is_removed_and_back_again(place):
    Database().set("mxbackup", "service", {"name": "co.uk,1,Bad_One,0,x.org,7,a.org,0", "status": "enabled"})
    before = now()
    carry_out(lambda db: record.remove(["co.uk", "Bad_One", "x.org"], db))
    assert now()[1] == {"a.org": {"kind": "HOST"}}
    carry_out(undo.edit(None))
    assert now() == before and len(record.load().ignored) == 3


def test_the_journal_is_for_root_alone_and_bounded(place, monkeypatch):
    monkeypatch.setattr(journal, "LARGEST", 5000)
    for number in range(60):
        carry_out(lambda db, number=number: record.add([(f"m{number}.org", "HOST")], db))
        assert replayed(place)[0] == now()
    file = os.stat(place / "var/lib/mxbackup/journal")
    assert stat.S_IMODE(file.st_mode) == 0o600 and file.st_size < 8000
    assert journal.entries()[0].number > 1 and journal.entries()[-1].number == 60
    with pytest.raises(undo.Conflict, match="the journal has"):
        carry_out(undo.edit(1))


def test_a_torn_line_is_cut_off_and_a_damaged_one_is_named(place):
    carry_out(lambda db: record.add([("a.org", "HOST")], db))
    path = place / "var/lib/mxbackup/journal"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"done":0,"record"')
    carry_out(lambda db: record.add([("b.org", "HOST")], db))
    assert path.read_bytes().startswith(whole) and replayed(place) == (now(), 2)
    path.write_bytes(whole + b"rubbish\n")
    before = now()
    with pytest.raises(journal.JournalError, match=r"line 3 is no entry .*: mv /var"):
        carry_out(lambda db: record.add([("c.org", "HOST")], db))
    assert now() == before


def test_what_a_rule_has_beside_its_kind_goes_and_comes_back_with_it(place):
    carry_out(lambda db: noted(["a.org", "b.org"], db, "until May"))
    carry_out(lambda db: record.remove(["a.org"], db))
    assert "a.org" not in extras.load()
    carry_out(undo.edit(None))
    assert now()[1]["a.org"] == {"kind": "HOST", "note": "until May"} == extras.load()["a.org"] | {"kind": "HOST"}
    assert journal.entries()[-1].as_object()["added"] == [{"name": "a.org", "kind": "HOST", "note": "until May"}]
    Database("mxbackup").set("b.org", "rule", {"Note": "until June"})
    assert change.look()[-1].as_object()["changed"] == [
        {"name": "b.org", "before": {"kind": "HOST", "note": "until May"},
         "after": {"kind": "HOST", "note": "until June"}}]
