"""mxbackup check of many domains against the real mailfront and nsd: 200 in less than 10 s."""

import pathlib
import sys

from measure import Case

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests/check")]

from loopback import many_domains  # noqa: E402


def cases(folder):
    with many_domains(folder, 200) as (arguments, environment):
        # 10 s, where Python starts in 10 ms.
        yield Case("mxbackup check, 200 domains", [CHECKOUT / "root/usr/sbin/mxbackup", *arguments], 1000,
                   environment, rounds=3)
