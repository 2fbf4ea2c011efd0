"""How long a command takes, in multiples of what starting Python takes in the same minute.

A module of bench/ has `cases(folder)`, a generator: it prepares what it needs below `folder`
(a pathlib.Path), yields a Case, which is measured there and then, and clears up when it goes on.
"""

import os
import statistics
import time

UNIT = ("/usr/bin/python3", "-I", "-S", "-c", "pass")
# Two measurements that both lie so far above a limit exceed it; less than that is this machine's noise.
CLEARLY = 1.1


class Case:
    """A command and the most it may take.

    `argv`: list of str, or a function of the round's number (int) that gives one. `limit`: in units, None
    where there is none. `environment`: dict, added to the caller's. `rounds`: how often it is run.
    `status`: the exit status it must have.
    """

    def __init__(self, title, argv, limit, environment=None, rounds=40, status=0):
        self.title = title
        self.argv = argv if callable(argv) else lambda number: argv
        self.limit = limit
        self.environment = {**os.environ, **(environment or {})}
        self.rounds = rounds
        self.status = status

    def measure(self, other=None):
        """Run it in turn with the unit, and with the Case `other` where there is one.

        Returns (milliseconds it takes, milliseconds the unit takes, how many times as long as `other` it takes or
        None): medians of rounds of one each.
        """
        command, unit, ratios = [], [], []
        # The first round is not counted: it fills the caches.
        for number in range(self.rounds + 1):
            unit.append(_milliseconds(UNIT, self.environment, 0))
            command.append(_milliseconds(self.argv(number), self.environment, self.status))
            if other:
                ratios.append(command[-1] / _milliseconds(other.argv(number), other.environment, other.status))
        return (statistics.median(command[1:]), statistics.median(unit[1:]),
                statistics.median(ratios[1:]) if other else None)


def _milliseconds(argv, environment, status):
    argv = [os.fspath(argument) for argument in argv]
    silent = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.perf_counter()
    process = os.posix_spawn(argv[0], argv, environment, file_actions=silent)
    ended = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    taken = (time.perf_counter() - start) * 1000
    if ended != status:
        raise SystemExit(f"{' '.join(argv)}: exit status {ended}, not {status}")
    return taken


def report(case, other=None):
    """Measure a case, beside the same one (`other`) of another checkout; print the line; tell if it is in time."""
    taken, unit, ratio = case.measure(other)
    if case.limit and taken / unit > case.limit:
        taken, unit, ratio = min((taken, unit, ratio), case.measure(other), key=lambda found: found[0] / found[1])
    multiple = taken / unit
    good = not case.limit or multiple <= case.limit * CLEARLY
    print(
        f"{case.title:48} {multiple:7.2f}   {f'limit {case.limit}' if case.limit else '':12}"
        f" {taken:8.1f} ms of {unit:.1f} ms{f'   {ratio:.3f}' if ratio else ''}{'' if good else '   TOO SLOW'}",
        flush=True,
    )
    return good
