"""Mistakes that people make, and what each prints: what, where, why, the way out. Each leaves all as it was."""

import pytest
from sandbox import Sandbox

# Typed after `mxbackup`, standard input, exit status, what is said among the rest.
SUFFIX = "is a public suffix: as a DOMAIN it would open the relay to strangers"
MISTAKES = [
    # Names
    ("add *.foo.org", None, 2, "*.foo.org: for foo.org and everything below it: foo.org --domain, or foo.org DOMAIN"),
    ("add ..foo.org", None, 2, ".foo.org: for foo.org and everything below it"),
    ("add .foo.org --host", None, 2, ".foo.org: for foo.org and everything below it: foo.org --domain"),
    ("add -", "*.foo.org\n", 2, "standard input line 1: *.foo.org: for foo.org and everything below it: foo.org --d"),
    ("add -", ".foo.org HOST\n", 2, "line 1: .foo.org: is a DOMAIN by its dot and a HOST by its kind"),
    ("add user@foo.org", None, 2, "user@foo.org: is a mail address; a rule has its domain alone: foo.org"),
    ("add -", "user@foo.org\n", 2, "line 1: user@foo.org: is a mail address; a rule has its domain alone: foo.org"),
    ("add @foo.org", None, 2, "@foo.org: is a mail address; a rule has its domain alone: foo.org"),
    ("add http://foo.org/", None, 2, "is a URL; a rule has its domain alone: foo.org"),
    ("add https://www.foo.org/a/b", None, 2, "is a URL; a rule has its domain alone: www.foo.org"),
    ("add foo.org DOMAIN", None, 2, "DOMAIN is a kind, not a name: say --domain; nothing was changed"),
    ("add foo.org host", None, 2, "host is a kind, not a name: say --host; nothing was changed"),
    ("remove a.org HOST", None, 2, "HOST is a kind, not a name"),
    ("add foo", None, 2, "foo: a host name has at least two labels, as in smithnet.com"),
    ("add foo_bar.org", None, 2, "foo_bar.org: a host name holds letters, digits, hyphens and dots only"),
    ("add foo..org", None, 2, "foo..org: has an empty label"),
    ("add 192.0.2.1", None, 2, "192.0.2.1: its last label is all digits: an address is no host name"),
    ("add foo.org,bar.org", None, 2, "foo.org,bar.org: a host name holds letters"),
    ("add foo.org:25", None, 2, "foo.org:25: a host name holds letters"),
    ("add -- -foo.org", None, 2, "-foo.org: a label begins or ends with a hyphen"),
    ("add co.uk --domain", None, 2, f"co.uk: {SUFFIX}"),
    ("add com --domain", None, 2, "com: a host name has at least two labels"),
    # Counts and order
    ("add a_ b_ c_ d.org e.org", None, 2, "3 of 5 refused; nothing was changed"),
    ("add -", "x.org NO\nco.uk DOMAIN\ny_.org\nz.org\n", 2, "3 of 4 refused; nothing was changed"),
    ("add -", "a.org HOST\na.org DOMAIN\n", 2, "line 2: a.org: is a DOMAIN here and a HOST in line 1"),
    ("add -", "a b c\n", 2, "line 1: a b c: is neither a name nor a name and HOST or DOMAIN"),
    ("add -", '{"rules": [1]}', 2, "standard input: is not the JSON of 'mxbackup export --json'"),
    # What to do
    ("ad foo.org", None, 2, "no such command: ad; did you mean 'add'?"),
    ("delete foo.org", None, 2, "no such command: delete; did you mean 'remove'?"),
    ("rm foo.org", None, 2, "did you mean 'remove'?"),
    ("ls", None, 2, "did you mean 'list'?"),
    ("histroy", None, 2, "did you mean 'history'?"),
    ("stauts", None, 2, "did you mean 'status'?"),
    ("xyzzy", None, 2, "no such command: xyzzy (one of: add remove"),
    ("add", None, 2, "add what? Give a NAME, --from-file FILE, or - for standard input"),
    ("remove", None, 2, "remove what?"),
    ("add foo.org --frob", None, 2, "unrecognized arguments: --frob"),
    ("add foo.org --host --domain", None, 2, "not allowed with argument"),
    ("add --from-file", None, 2, "expected one argument"),
    ("add --from-file missing.txt", None, 2, "missing.txt: cannot be read: No such file or directory"),
    ("add --from-file .", None, 2, ".: cannot be read: Is a directory"),
    ("enable smithnet.com", None, 2, "unrecognized arguments: smithnet.com"),
    ("list --json --csv", None, 2, "not allowed with argument"),
    ("list nothing", None, 1, "no rule's name fits nothing"),
    # Removing
    ("remove foo.org", None, 1, "foo.org: there is no such rule"),
    ("remove *.n1.org", None, 1, "*.n1.org: there is no such rule"),
    ("remove --all", None, 2, "this would remove 8 rules (n0.org, n1.org, n2.org, ...); nothing was changed."),
    ("remove --all n1.org", None, 2, "--all goes without names; nothing was changed"),
    ("remove n0.org n1.org n2.org n3.org n4.org n5.org", None, 2, "Where that is meant, say --yes; --dry-run shows"),
    ("import --replace", "foo.org\n", 2, "this would remove 8 rules"),
    ("import --replace", "", 2, "the list holds no rule; nothing was changed"),
    ("import missing.csv", None, 2, "missing.csv: cannot be read: No such file"),
    ("export --tar x.tar", None, 2, "--tar FILE and --for sme5|sme55|sme6|sme7 go together"),
    ("export --tar x.tar --for sme4", None, 2, "invalid choice"),
    ("export nowhere/rules.csv", None, 1, "nowhere/rules.csv: No such file or directory"),
    # The journal
    ("history foo.org", None, 1, "no change of foo.org is in the journal"),
    ("undo 99", None, 2, "there is no change 99: the journal has 1 to 3; nothing was changed. 'mxbackup history'"),
    ("undo 1", None, 2, "change 1 cannot be taken back: n8.org was changed again by 3; nothing was changed. Take"),
    ("undo first", None, 2, "invalid int value"),
    ("undo 2 3", None, 2, "unrecognized arguments: 3"),
    ("panel --port none", None, 2, "argument --port"),
]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    host = Sandbox(tmp_path_factory.mktemp("host"))
    (host / "/var/qmail/control").mkdir(parents=True)
    host.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=sme\n")
    names = [f"n{number}.org" for number in range(9)]
    assert host.run("mxbackup", "add", *names, "--no-update").returncode == 0
    assert host.run("mxbackup", "add", "n7.org", "--domain", "--no-update").returncode == 0
    assert host.run("mxbackup", "remove", "n8.org", "--no-update").returncode == 0
    return host


def test_the_table_has_sixty():
    assert len({typed + str(given) for typed, given, _, _ in MISTAKES}) >= 60


@pytest.mark.parametrize(("typed", "given", "status", "said"), MISTAKES, ids=[f"{m[0]} {m[1]!r}" for m in MISTAKES])
def test_a_mistake_says_what_is_wrong_and_changes_nothing(host, typed, given, status, said):
    paths = ("/home/e-smith/db/configuration", "/var/lib/mxbackup/journal")
    before = [host.read(path) for path in paths]
    done = host.run("mxbackup", *typed.split(" "), input=given or "")
    assert said in done.stderr, done.stderr
    assert done.returncode == status and "Errno" not in done.stderr and "Traceback" not in done.stderr
    assert [host.read(path) for path in paths] == before


def test_names_may_follow_an_option_and_a_dot_says_domain(host):
    done = host.run("mxbackup", "add", "a.org", "--domain", "b.org", ".c.org", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "b.org: would be added as a DOMAIN\nc.org: would be added as a DOMAIN\n" in done.stdout


def test_refusals_are_in_the_order_of_the_list(host):
    done = host.run("mxbackup", "add", "-", input="x_.org\ny.org NO\nz_.org\n")
    assert [line.split(" line ")[1][0] for line in done.stderr.splitlines()[:-1]] == ["1", "2", "3"]


def test_a_dry_run_of_a_thousand_rules_fits_a_screen_or_two(host):
    listed = "".join(f"d{number}.example.org\n" for number in range(1000))
    done = host.run("mxbackup", "add", "-", "--dry-run", input=listed)
    assert "1000 rules would be added" in done.stdout and len(done.stdout) < 10000
