"""signal-event: handlers, templates and services of an event, as a host sees them."""

import os
import stat
import subprocess
import time

import pytest
import replay
from sandbox import ROOT, Syslog

EVENT = "/etc/e-smith/events/test-event/"
CONFIGURATION = "/home/e-smith/db/configuration"


@pytest.fixture
def host(sandbox):
    """A sandbox with an empty event, a log, and templates whose begin is empty."""
    sandbox.write(CONFIGURATION, "SystemName=sme\n")
    (sandbox / EVENT).mkdir(parents=True)
    (sandbox / "/out").mkdir()
    sandbox.log = Syslog(sandbox / "/dev/log")
    yield sandbox
    sandbox.log.close()


def handler(host, name, text):
    return host.write(EVENT + name, text, mode=0o755)


def signal_event(host, *arguments, **environment):
    """Run the event; returns (the completed process, the log's lines without the engine's own)."""
    result = host.run("signal-event", *arguments or ("test-event",), **environment)
    lines = [text for _, text in replay.syslog(host.log, host)]
    own = ("Processing event: ", "Running event handler: ")
    return result, [text for text in lines if not text.startswith(own) and "=action|" not in text]


# Handlers.

PYTHON = "#!/usr/bin/python3 -IS\n"


def test_python_handlers_run_as_if_started(host):
    handler(
        host,
        "S10a",
        PYTHON
        + (
            "import sys, os\n"
            "print(sys.argv, __name__, __file__ == sys.argv[0], sys.flags.isolated, sys.flags.no_site)\n"
            "sys.stderr.write('to stderr\\n')\n"
            "def helper():\n    return os\n"
            "print(helper().getpid() != os.getppid(), sys.modules['__main__'].helper is helper, end='')\n"
        ),
    )
    path = str(host / EVENT) + "/S10a"
    result, lines = signal_event(host, "test-event", "one", "two words", "")
    assert result.returncode == 0
    assert sorted(lines) == sorted(
        [f"['{path}', 'test-event', 'one', 'two words', ''] __main__ True 1 1", "to stderr", "True True"]
    )


@pytest.mark.parametrize(
    "text, status, said",
    [
        ("import sys\nsys.exit(3)\n", "|Status|768", []),
        ("import sys\nsys.exit()\n", "", []),
        ("import sys\nsys.exit('why')\n", "|Status|256", ["why"]),
        ("raise ValueError('bad')\n", "|Status|256", ["ValueError: bad"]),
        ("def f(:\n", "|Status|256", ["SyntaxError"]),
        ("import os\nos.kill(os.getpid(), 9)\n", "|Status|9", []),
        ("import os\nos._exit(300 & 0xff)\n", "|Status|11264", []),
        (
            "import atexit\natexit.register(print, 'at exit')\nraise SystemExit(2)\n",
            "|Status|512",
            ["at exit"],
        ),
        ("import time\nprint('no newline', end='')\n", "", ["no newline"]),
        (
            "import threading, time\n"
            "threading.Thread(target=lambda: (time.sleep(0.2), print('from a thread'))).start()\n",
            "",
            ["from a thread"],
        ),
    ],
)
def test_the_exit_of_a_python_handler(host, text, status, said):
    handler(host, "S10a", PYTHON + text)
    handler(host, "S20b", PYTHON + "print('still run')\n")
    result = host.run("signal-event", "test-event")
    lines = [text for _, text in replay.syslog(host.log, host)]
    assert result.returncode == (1 if status else 0)
    (line,) = [line for line in lines if line.startswith("S10a=action")]
    assert line.partition("|Elapsed|")[2].partition("|")[2] == status.lstrip("|")
    assert "still run" in lines
    for word in said:
        assert any(word in line for line in lines)
    if status:
        assert result.stderr.startswith("test-event: S10a failed: ")


def test_a_python_handler_leaves_the_engine_as_it_was(host):
    handler(
        host,
        "S10a",
        PYTHON
        + (
            "import os, sys\nos.chdir('/')\nos.environ['X'] = '1'\nsys.path.clear()\n"
            "import esmith.paths\nesmith.paths.rooted = None\n"
        ),
    )
    handler(host, "S20b", "#!/bin/sh\necho \"$X\" \"$PWD\"\n")
    result, lines = signal_event(host)
    assert result.returncode == 0 and lines == [" " + os.getcwd()]


@pytest.mark.parametrize("text", ["", "#!/no/such/interpreter\n", "\x7fELF nonsense", "no first line\n"])
def test_a_handler_that_cannot_be_executed_fails_the_event(host, text):
    handler(host, "S10a", text)
    handler(host, "S20b", "#!/bin/sh\necho still run\n")
    result, lines = signal_event(host)
    assert result.returncode == 1 and lines[-1] == "still run" and "S10a" in lines[0]


def test_output_of_any_bytes_and_length(host):
    handler(
        host, "S10a", "#!/bin/sh\nprintf 'a\\377b\\n\\nlast'\nhead -c 30000 /dev/zero | tr '\\0' x >&2\n"
    )
    result, lines = signal_event(host)
    assert result.returncode == 0
    assert lines[0] == "a_b" and lines[1] == "" and lines[2].startswith("last") and len(lines[2]) == 30004


def test_without_a_log_the_event_still_runs(host):
    os.unlink(host / "/dev/log")
    handler(host, "S10a", f"#!/bin/sh\ntouch {host / '/out/done'}\n")
    assert host.run("signal-event", "test-event").returncode == 0
    assert (host / "/out/done").exists()


@pytest.mark.parametrize(
    "name, status",
    [
        ("actions", 1),
        ("no-such", 2),
        ("", 2),
        (".", 2),
        ("..", 2),
        ("../events/test-event", 2),
        ("test-event/x", 2),
        ("--nosuch", 2),
    ],
)
def test_what_is_no_event(host, name, status):
    result = host.run("signal-event", name)
    assert result.returncode == status and result.stderr and not result.stdout


# Templates.


def template(host, name, text):
    host.write(f"/etc/e-smith/templates/out/{name}/template-begin", "")
    host.write(f"/etc/e-smith/templates/out/{name}/10", text)
    host.write(EVENT + "templates2expand/out/" + name, "")
    return host / f"/etc/e-smith/templates/out/{name}/10"


def test_failed_templates_stay_as_they_were_and_are_named(host):
    template(host, "good", "{# jinja2 #}\n{{ SystemName }}\n")
    bad = {
        name: template(host, name, text)
        for name, text in (
            ("perl", "{ 1 }\n"),
            ("filter", "{# jinja2 #}\n\n{{ x|nosuch }}\n"),
            ("slow", "{# jinja2 #}\n{% for x in use('itertools').count() %}{% endfor %}\n"),
        )
    }
    host.write("/etc/e-smith/templates.metadata/out/meta", "PERMS=time\n")
    template(host, "meta", "x\n")
    template(host, "folder", "x\n")
    (host / "/out/folder").mkdir()
    template(host, "missing/there", "x\n")
    for name in bad:
        host.write("/out/" + name, "old\n")
    handler(host, "S10after", "#!/bin/sh\necho after\n")
    result, lines = signal_event(host, ESMITH_FRAGMENT_SECONDS="3")
    assert result.returncode == 1
    assert host.read("/out/good") == "sme\n"
    assert all(host.read("/out/" + name) == "old\n" for name in bad)
    assert sorted(os.listdir(host / "/out")) == ["filter", "folder", "good", "perl", "slow"]
    names = sorted([*bad, "meta", "folder", "missing/there"], reverse=True)
    assert (
        f"ERROR: not expanded, and as old as they were: {' '.join('/out/' + name for name in names)}"
        in lines
    )
    for name, line in (("perl", 1), ("filter", 3), ("slow", 2)):
        assert any(f"ERROR: {bad[name]} line {line}: " in text for text in lines)
    assert lines[-1] == "after"
    assert "not expanded, and as old as they were: " in result.stderr


@pytest.mark.needs("tracing")
def test_an_event_starts_one_interpreter(host):
    for number in range(4):
        template(host, f"f{number}", "{# jinja2 #}\n{{ SystemName }}\n")
    handler(host, "S10a", PYTHON + "print('a')\n")
    handler(host, "S20b", PYTHON + "print('b')\n")
    traced = subprocess.run(
        [
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=execve",
            str(ROOT / "sbin/e-smith/signal-event"),
            "test-event",
        ],
        env=host.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert traced.returncode == 0
    assert len([line for line in traced.stderr.splitlines() if "execve(" in line and " = 0" in line]) == 1


def test_the_databases_are_as_new_as_the_expansion(host):
    changed = "Database('configuration').set('SystemName', 'new').type"
    read = "Database('configuration').get('SystemName').type"
    use = "use('esmith.database')."
    template(host, "f1", f"{{# jinja2 #}}\n{{{{ SystemName }}}} {{{{ {use}{read} }}}}\n")
    template(host, "f2", f"{{# jinja2 #}}\n{{{{ SystemName }}}} {{{{ {use}{changed} }}}} {{{{ SystemName }}}}\n")
    assert host.run("signal-event", "test-event").returncode == 0
    # f2 comes first: it sees what it began with, the next one what is there by then.
    assert host.read("/out/f2") == "sme new sme\n" and host.read("/out/f1") == "new new\n"


def test_the_standard_actions_by_hand(host):
    host.plant()
    template(host, "f1", "x\n")
    action = str(host / "/etc/e-smith/events/actions/generic_template_expand")

    def run(*arguments):
        return subprocess.run(
            [action, *arguments], env=host.environment, capture_output=True, text=True, timeout=60
        )

    result = run("test-event")
    assert (result.returncode, result.stdout) == (0, "expanding /out/f1\n") and host.read(
        "/out/f1"
    ) == "x\n"
    template(host, "f2", "{ }\n")
    result = run("test-event")
    assert result.returncode == 1 and "ERROR: " in result.stdout
    assert run().returncode == 2


# Services.


@pytest.fixture
def service(host):
    """Makes a supervised service, status as given; returns its control pipe, open for reading."""
    pipes = []

    def make(name, status):
        with open(host / CONFIGURATION, "a") as database:
            database.write(f"{name}=service|status|{status}\n")
        folder = host / f"/service/{name}/supervise"
        folder.mkdir(parents=True)
        os.mkfifo(folder / "control")
        pipes.append(os.open(folder / "control", os.O_RDONLY | os.O_NONBLOCK))
        return pipes[-1]

    yield make
    for pipe in pipes:
        os.close(pipe)


def adjust(host, name, *actions):
    folder = host / (EVENT + "services2adjust")
    folder.mkdir(exist_ok=True)
    if len(actions) == 1:
        (folder / name).symlink_to(actions[0])
    else:
        (folder / name).write_text("".join(action + "\n" for action in actions))


@pytest.mark.parametrize(
    "status, actions, control",
    [
        ("enabled", ["sighup"], b"hu"),
        ("enabled", ["restart"], b"tu"),
        ("enabled", ["sigterm", "sigusr1"], b"t1u"),
        ("enabled", ["down"], b"d"),
        ("enabled", ["once"], b"o"),
        ("enabled", ["adjust"], b"hu"),
        ("disabled", ["sighup"], b"dh"),
        ("disabled", ["restart"], b"dt"),
        ("", ["up"], b"du"),
        ("Enabled", ["sighup"], b"dh"),
    ],
)
def test_a_supervised_service_gets_its_control_bytes(host, service, status, actions, control):
    pipe = service("qpsmtpd", status)
    adjust(host, "qpsmtpd", *actions)
    result, lines = signal_event(host)
    assert result.returncode == 0
    assert os.read(pipe, 100) == control
    assert [line for line in lines if line.startswith("adjusting")] == [
        f"adjusting supervised qpsmtpd ({step})"
        for step in (["down"] if control[:1] == b"d" and "down" not in actions else [])
        + actions
        + (["up"] if control[-1:] == b"u" and "up" not in actions else [])
    ]


def test_a_supervised_service_whose_supervisor_is_gone(host, service):
    os.close(os.dup(service("qpsmtpd", "enabled")))
    host.write(CONFIGURATION, "gone=service|status|enabled\nqpsmtpd=service|status|enabled\n")
    (host / "/service/gone/supervise").mkdir(parents=True)
    os.mkfifo(host / "/service/gone/supervise/control")
    adjust(host, "gone", "sighup")
    adjust(host, "qpsmtpd", "sighup")
    begin = time.monotonic()
    result, lines = signal_event(host)
    assert time.monotonic() - begin < 10
    assert result.returncode == 1
    assert "Couldn't open control fifo for service gone: No such device or address" in lines
    assert "adjusting supervised qpsmtpd (sighup)" in lines


def test_an_action_that_is_none(host, service):
    pipe = service("qpsmtpd", "enabled")
    adjust(host, "qpsmtpd", "dance", "sighup")
    result, lines = signal_event(host)
    assert result.returncode == 1 and os.read(pipe, 100) == b"hu"
    assert "Unrecognised param dance for service qpsmtpd" in lines


@pytest.fixture
def systemd(host):
    """A systemctl that tells the log its arguments, and fails for the unit bad; knows the units smtpd and
    bad."""
    host.write(
        "/usr/bin/systemctl", "#!/bin/sh\necho systemctl \"$@\"\n[ \"$2\" != bad.service ]\n", mode=0o755
    )
    host.write("/usr/lib/systemd/system/smtpd.service", "")
    host.write("/etc/systemd/system/bad.service", "")
    return host


@pytest.mark.parametrize(
    "status, actions, calls",
    [
        ("enabled", ["restart"], ["restart"]),
        ("enabled", ["sighup"], ["start", "reload-or-restart"]),
        ("enabled", ["sigusr1"], ["start", "kill --signal=USR1"]),
        ("enabled", ["stop"], ["stop"]),
        ("disabled", ["restart"], ["stop"]),
        ("enabled", ["reload-or-restart"], ["reload-or-restart"]),
    ],
)
def test_systemd_is_told(systemd, status, actions, calls):
    systemd.write(CONFIGURATION, f"smtpd=service|status|{status}\n")
    adjust(systemd, "smtpd", *actions)
    result, lines = signal_event(systemd)
    assert result.returncode == 0
    assert [line for line in lines if line.startswith("systemctl")] == [
        f"systemctl {call} smtpd.service" for call in calls
    ]


def test_a_unit_that_fails_fails_the_event_and_the_others_are_adjusted(systemd):
    systemd.write(CONFIGURATION, "bad=service|status|enabled\nsmtpd=service|status|enabled\n")
    adjust(systemd, "bad", "restart")
    adjust(systemd, "smtpd", "restart")
    result, lines = signal_event(systemd)
    assert result.returncode == 1
    assert "systemctl restart bad.service failed" in lines and "systemctl restart smtpd.service" in lines


@pytest.mark.parametrize("event", ["post-upgrade", "bootstrap-console-save"])
def test_before_a_restart_of_the_host_services_are_left_alone(systemd, event):
    systemd.write(CONFIGURATION, "smtpd=service|status|enabled\n")
    adjust(systemd, "smtpd", "restart")
    (systemd / EVENT).rename(systemd / f"/etc/e-smith/events/{event}")
    result, lines = signal_event(systemd, event)
    assert result.returncode == 0 and lines == []


# Dry run.


def test_dry_run_tells_what_would_run_in_order(host):
    handler(host, "S95late", "#!/bin/sh\necho ran > out\n")
    handler(host, "S04early", "#!/bin/sh\necho ran > out\n")
    host.write(EVENT + "S50not", "", mode=0o644)
    template(host, "f1", "x\n")
    adjust(host, "qpsmtpd", "sighup")
    adjust(host, "smtpd", "stop", "start")
    result = host.run("signal-event", "--dry-run", "test-event", "argument")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "S04early test-event argument\n"
        "S05generic_template_expand\n"
        "    expand /out/f1\n"
        "S50not (skipped: not executable)\n"
        "S90adjust-services\n"
        "    adjust qpsmtpd: sighup\n"
        "    adjust smtpd: stop start\n"
        "S95late test-event argument\n"
    )
    assert replay.syslog(host.log, host) == [] and os.listdir(host / "/out") == []
    assert host.run("signal-event", "--dry-run", "no-such").returncode == 2


def test_an_event_gives_the_log_mode_and_owner_of_new(host):
    template(host, "f1", "x\n")
    path = host.write("/out/f1", "x\n", mode=0o600)
    assert host.run("signal-event", "test-event").returncode == 0
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o644


def test_with_everything_closed_the_event_still_runs(host):
    template(host, "bad", "{ }\n")
    handler(host, "S10a", f"#!/bin/sh\ntouch {host / '/out/done'}\necho said\necho wrong >&2\n")
    handler(host, "S20b", PYTHON + "import os\nos.write(1, b'also said')\n")
    command = f"{ROOT / 'sbin/e-smith/signal-event'} test-event <&- >&- 2>&-"
    assert subprocess.run(["/bin/sh", "-c", command], env=host.environment, timeout=60).returncode == 1
    assert (host / "/out/done").exists()
    lines = [text for _, text in replay.syslog(host.log, host)]
    assert {"said", "wrong", "also said"} <= set(lines)


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_a_plan_that_cannot_be_shown(host, redirection):
    template(host, "file", "x\n")
    for command in ("signal-event --dry-run test-event", "expand-template --diff /out/file"):
        done = subprocess.run(["/bin/sh", "-c", f"{ROOT / 'sbin/e-smith'}/{command} {redirection}"],
                              env=host.environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert "standard output: " in done.stderr and done.stderr.count("\n") == 1
