"""The db command on a small database and on a huge one."""

import pathlib

from measure import Case

DB = pathlib.Path(__file__).resolve().parent.parent / "root/sbin/e-smith/db"
RECORD = "key%06d=service|access|public|name|smithnet%d.com,1,mail.bar.org,0|status|enabled\n"


def cases(folder):
    environment = {"DBPATH": str(folder), "ESMITH_ROOT": str(folder)}
    for count, getprop, setprop, properties, show, rounds in (
        (300, 1.9, 2.2, ("status",), None, 60), (100_000, 5, 12, ("name", "status", "transport"), 30, 15),
    ):
        (folder / "configuration").write_text("".join(RECORD % (n, n) for n in range(count)))
        middle = f"key{count // 2:06}"

        def command(*arguments):
            return [DB, "configuration", *arguments]

        def change(number, middle=middle, properties=properties):
            return command("setprop", middle, *(word for p in properties for word in (p, f"value{number}")))

        records = f"{count:,} records"
        title = f"db getprop, {records}"
        yield Case(title, command("getprop", middle, "status"), getprop, environment, rounds)
        title = "db setprop" + (f" of {len(properties)}" if len(properties) > 1 else "") + f", {records}"
        yield Case(title, change, setprop, environment, rounds)
        yield Case(f"db show, {records}", command("show"), show, environment, rounds)
    yield Case(
        "db set of a new record, 100,000 records",
        lambda number: command("set", f"key050000-{number}", "service", "status", "enabled"), None,
        environment, rounds,
    )
