"""mxbackup check of many domains against the real mailfront and nsd: 1,000 in less than 4 s."""

import pathlib
import sys

from measure import Case

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT / "tests"), str(CHECKOUT / "tests/check")]

from loopback import many_domains  # noqa: E402


def cases(folder):
    with many_domains(folder, 1000) as (arguments, environment):
        # 4 s, where Python starts in 10 ms.
        yield Case("mxbackup check, 1,000 domains", [CHECKOUT / "root/usr/sbin/mxbackup", *arguments], 400,
                   environment, rounds=3)
