"""Several writers at once, killed writers, and a writer that locks as the Perl engine does."""

import os
import signal
import subprocess
import threading

import pytest
from sandbox import ROOT

from esmith import locking
from esmith.database import Database

LIBRARY = str(ROOT / "usr/lib/mxbackup")


def python(sandbox, program, *arguments):
    """Start a Python of the distribution that runs `program` with the engine at hand."""
    return subprocess.Popen(
        ["/usr/bin/python3", "-IS", "-c", f"import sys; sys.path.insert(0, {LIBRARY!r})\n{program}",
         *map(str, arguments)],
        env=sandbox.environment, stdout=subprocess.PIPE, text=True,
    )


@pytest.fixture
def folder(sandbox, monkeypatch):
    folder = sandbox / "/home/e-smith/db"
    folder.mkdir(parents=True)
    monkeypatch.setenv("ESMITH_ROOT", str(sandbox.path))
    return folder


def finish(*processes):
    for process in processes:
        assert process.wait(timeout=120) == 0


WRITER = """
from esmith.database import Database
name, count = sys.argv[1], int(sys.argv[2])
db = Database()
for number in range(count):
    if number % 3 == 0:
        db.set("%s-%d" % (name, number), "t", {"n": str(number)})
    elif number % 3 == 1:
        db.merge("shared", {"%s-%d" % (name, number): "x"})
    else:
        with db.transaction():
            db["shared"].set("count", str(int(db["shared"].get("count")) + 1))
"""


def test_of_8_writers_with_200_changes_each_none_is_lost(sandbox, folder):
    Database().set("shared", "t", {"count": "0"})
    finish(*[python(sandbox, WRITER, f"writer{n}", 200) for n in range(8)])
    db = Database()
    assert len(db) == 1 + 8 * 67
    assert int(db["shared"].get("count")) == 8 * 66
    assert len(db["shared"].props) == 1 + 8 * 67
    assert os.listdir(folder) == ["configuration"]


def test_commands_at_once(sandbox, folder):
    shell = """
        for n in $(seq 12); do "$0" set "$1-$n" t n "$n" && "$0" setprop shared "$1-$n" x || exit; done
    """
    Database().set("shared", "t")
    finish(*[
        subprocess.Popen(["sh", "-c", shell, ROOT / "sbin/e-smith/config", f"w{n}"], env=sandbox.environment)
        for n in range(4)
    ])
    db = Database()
    assert len(db) == 1 + 48 and len(db["shared"].props) == 48
    assert os.listdir(folder) == ["configuration"]


# A writer in a child that is killed within some milliseconds, 500 times; after each, the file is one of the
# states that the writer made. The next writer finds nothing in its way, and removes what the killed one left.
KILLER = """
import os, random, signal, time
from esmith.database import Database
names = ["a", "b", "c", "d", "e"]
db = Database()
db.set("counted", "t", {name: "0" for name in names})
for number in range(200):
    db.set("bystander%d" % number, "t", {"text": "x" * 300})
bystanders = {key: db[key].props for key in db if key != "counted"}
seen, left, last = set(), 0, 0
folder = os.path.dirname(db.path)
random.seed(7)
for attempt in range(500):
    child = os.fork()
    if child == 0:
        number = last
        while True:
            number += 1
            db.merge("counted", {name: str(number) for name in names})
    time.sleep(random.uniform(0, 0.006))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    db.reload()
    values = set(db["counted"].props.values())
    assert len(values) == 1, db["counted"]
    assert int(min(values)) >= last, (values, last)
    last = int(min(values))
    assert {key: db[key].props for key in db if key != "counted"} == bystanders
    left += any(name.endswith("~") for name in os.listdir(folder))
    last += 1
    db.merge("counted", {name: str(last) for name in names})
    assert os.listdir(folder) == ["configuration"], os.listdir(folder)
print(left, last)
"""


def test_a_writer_killed_500_times_leaves_the_file_whole(sandbox, folder):
    killer = python(sandbox, KILLER)
    output = killer.communicate(timeout=120)[0]
    assert killer.returncode == 0
    left, last = map(int, output.split())
    # The kills did meet writers at work: some left a temporary file, most had made changes.
    assert left > 10 and last > 500


# What the Perl engine does with the lock: it opens it, waits, never looks whether it is still there,
# and removes it after giving it up.
RIVAL = r"""
use strict; use Fcntl qw(:flock);
my ($file, $name, $count) = @ARGV;
for my $number (1 .. $count) {
    open(my $lock, '>>', "$file.lock") or die "lock: $!";
    flock($lock, LOCK_EX) or die "flock: $!";
    my %lines;
    open(my $in, '<', $file) or die "read: $!";
    while (<$in>) { next if /^#/; chomp; my ($key, $value) = split /=/, $_, 2; $lines{$key} = $value; }
    close $in;
    $lines{"$name-$number"} = "t|n|$number";
    open(my $out, '>', "$file.$$") or die "write: $!";
    print $out "$_=$lines{$_}\n" for sort keys %lines;
    close $out;
    rename("$file.$$", $file) or die "rename: $!";
    flock($lock, LOCK_UN);
    unlink "$file.lock";
}
"""


@pytest.mark.needs("perl")
def test_beside_a_perl_writer_no_change_is_lost(sandbox, folder):
    Database().set("shared", "t", {"count": "0"})
    rival = subprocess.Popen(["perl", "-e", RIVAL, folder / "configuration", "perl", "400"])
    ours = [python(sandbox, WRITER.replace("% 3", "% 2"), f"writer{n}", 120) for n in range(3)]
    finish(rival, *ours)
    db = Database()
    missing = [f"perl-{n}" for n in range(1, 401) if f"perl-{n}" not in db]
    missing += [f"writer{w}-{n}" for w in range(3) for n in range(0, 120, 2) if f"writer{w}-{n}" not in db]
    missing += [
        f"shared {w}-{n}" for w in range(3) for n in range(1, 120, 2)
        if not db["shared"].get(f"writer{w}-{n}")
    ]
    assert not missing
    assert os.listdir(folder) == ["configuration"]


def test_readers_do_not_wait_for_a_writer(sandbox, folder):
    db = Database()
    db.set("k", "t", {"p": "v"})
    with db.transaction():
        db.set("k", "other")
        assert sandbox.run("config", "getprop", "k", "p", timeout=10).stdout == "v\n"
        assert sandbox.run("config", "setprop", "k", "p", "w", "--dry-run", timeout=10).returncode == 0
        assert Database()["k"].type == "t"
    assert Database()["k"].type == "other"


def test_a_writer_waits_for_the_lock_and_then_sees_what_changed(sandbox, folder):
    db = Database()
    db.set("k", "t", {"p": "v"})
    with db.transaction():
        command = [ROOT / "sbin/e-smith/config", "setprop", "k", "q", "w"]
        waiting = subprocess.Popen(command, env=sandbox.environment)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=0.3)
        db.merge("k", {"p": "new"})
    finish(waiting)
    assert Database()["k"].props == {"p": "new", "q": "w"}
    assert os.listdir(folder) == ["configuration"]


def test_a_lock_file_that_was_left_behind_is_no_obstacle(sandbox, folder):
    (folder / "configuration.lock").touch()
    (folder / ".configuration.0123456789ab.esmith~").write_text("half a li")
    assert sandbox.run("config", "set", "k", "t").returncode == 0
    assert os.listdir(folder) == ["configuration"]


def test_a_lock_that_is_taken_away_is_taken_again(folder):
    """The Perl engine may unlink a lock just after this writer got it: others then lock another file."""
    db = Database()
    db.set("k", "t")
    with db.transaction():
        os.unlink(folder / "configuration.lock")
        other = threading.Thread(target=lambda: Database().merge("k", {"p": "other"}))
        other.start()
        other.join()
        db.merge("k", {"q": "mine"})
    assert Database()["k"].props == {"p": "other", "q": "mine"}
    assert os.listdir(folder) == ["configuration"]


def test_a_change_that_is_done_again_tells_what_it_did_first(folder, monkeypatch):
    """The lock is gone once the file is replaced: it is looked at again, and all is as it should be."""
    db = Database()
    db.set("k", "t", {"p": "v"})
    answers = []
    real = locking.Lock.held

    def held(lock):
        # Asked when the lock is got, before the file is replaced, and after it.
        answers.append(len(answers) != 2 and real(lock))
        return answers[-1]

    monkeypatch.setattr(locking.Lock, "held", held)
    assert db.delete("k") is True
    assert len(answers) > 4 and list(Database()) == []
    answers.clear()
    assert db.create("k", "t").type == "t"
    assert len(answers) > 4 and list(Database()) == ["k"]


def test_an_interrupted_writer_leaves_nothing(sandbox, folder):
    program = "from esmith.database import Database\ndb = Database()\n" \
        "with db.transaction():\n    db.set('k', 't')\n    print('ready', flush=True)\n    sys.stdin.read()\n"
    process = subprocess.Popen(
        ["/usr/bin/python3", "-IS", "-c", f"import sys; sys.path.insert(0, {LIBRARY!r})\n{program}"],
        env=sandbox.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        # Where the tests run in the background of a shell, the signal is ignored from the start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode != 0 and os.listdir(folder) == []
