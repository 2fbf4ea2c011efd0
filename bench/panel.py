"""A page of the panel in the server-manager, run as CGI."""

import pathlib
import shutil

from measure import Case

ROOT = pathlib.Path(__file__).resolve().parent.parent / "root"
PAGE = ROOT / "etc/e-smith/web/functions/mxbackup"


def cases(folder):
    # The lexicons are read below ESMITH_ROOT; the code is the checkout's.
    shutil.copytree(ROOT / "etc/e-smith/locale", folder / "etc/e-smith/locale")
    (folder / "var/qmail/control").mkdir(parents=True)
    database = folder / "home/e-smith/db/configuration"
    database.parent.mkdir(parents=True)
    for count, limit, rounds in ((20, 25, 30), (100_000, None, 5)):
        flat = ",".join(f"smithnet{number}.com,{number % 2}" for number in range(count))
        database.write_text(f"mxbackup=service|name|{flat}|status|enabled\n")
        for title, path, query in (
            ("the rules", "/", ""), ("a new rule", "/create", ""),
            ("a removal", "/remove", "name=smithnet1.com"), ("the mail files", "/files", ""),
        ):
            yield Case(f"panel: {title}, {count:,} rules", [PAGE], limit, {
                "ESMITH_ROOT": str(folder), "GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_USER": "admin",
                "REQUEST_METHOD": "GET", "SCRIPT_NAME": "/server-manager/cgi-bin/mxbackup", "PATH_INFO": path,
                "QUERY_STRING": query, "SERVER_NAME": "sme", "SERVER_PORT": "980",
                "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_ACCEPT_LANGUAGE": "fr",
            }, rounds)
