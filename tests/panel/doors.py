"""The panel's two doors, real: lighttpd that runs the CGI, and `mxbackup panel`; and a real browser."""

import base64
import html
import http.client
import os
import re
import socket
import subprocess
import sys
import urllib.parse

import needs
from sandbox import ROOT

sys.path.insert(0, str(ROOT / "usr/lib/mxbackup"))

PASSWORD = "correct horse battery"
RULES = "mxbackup=service|name|smithnet.com,1,mail.bar.org,0|status|enabled\n"
CGI = "/server-manager/cgi-bin/mxbackup"


def prepare(sandbox):
    """Make `sandbox` a host that runs qmail, with the how-to's two rules."""
    sandbox.write("/home/e-smith/db/configuration", "DomainName=doecom.net\nSystemName=sme\n" + RULES)
    (sandbox / "/var/qmail/control").mkdir(parents=True)
    link = sandbox / "/etc/e-smith/web/panels/manager/cgi-bin/mxbackup"
    assert os.readlink(str(link)) == "../../../functions/mxbackup", "make links makes it"
    return sandbox


class Answer:
    """What a server answered: `status`, `headers`, `body` (bytes), `text`."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body
        charset = re.search("charset=([-\\w]+)", headers.get("content-type", ""))
        self.text = html.unescape(body.decode(charset.group(1) if charset else "ascii", "strict"))

    @property
    def token(self):
        return re.search('name="token" value="([^"]+)"', self.text).group(1)


class Door:
    """A running panel: `url` for a browser; `get` and `post` for a client without one."""

    base = ""
    credentials = None

    def __init__(self, port):
        self.port = port
        self.cookie = None

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self.stop()

    @property
    def url(self):
        user = self.credentials + "@" if self.credentials else ""
        return f"http://{user}127.0.0.1:{self.port}{self.base}/"

    def ask(self, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.credentials:
            code = base64.b64encode(self.credentials.encode()).decode()
            headers.setdefault("Authorization", "Basic " + code)
        if self.cookie:
            headers.setdefault("Cookie", self.cookie)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, self.base + path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path="/", **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, fields, token=None, **headers):
        fields = dict(fields, token=self.get("/", **headers).token if token is None else token)
        headers.setdefault("Content_Type", "application/x-www-form-urlencoded")
        return self.ask("POST", path, urllib.parse.urlencode(fields), **headers)

    def follow(self, answer, **headers):
        """Return the page that a redirection leads to."""
        assert answer.status == 303, answer.text
        return self.get(answer.headers["location"][len(self.base):], **headers)


class Manager(Door):
    """lighttpd on a loopback port of the kernel's choice, with a login, running the CGI below a sandbox."""

    base = CGI
    credentials = "admin:secret"

    def __init__(self, sandbox):
        needs.require("lighttpd")
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        super().__init__(listener.getsockname()[1])
        (sandbox / "/web").mkdir()
        sandbox.write("/web/users", self.credentials + "\n")
        sandbox.write("/web/lighttpd.conf", f"""
            server.document-root = "{sandbox.path}/web"
            server.systemd-socket-activation = "enable"
            server.bind = "127.0.0.1"
            server.port = {self.port}
            server.modules = ("mod_auth", "mod_authn_file", "mod_alias", "mod_setenv", "mod_cgi")
            server.errorlog = "{sandbox.path}/web/log"
            server.breakagelog = "{sandbox.path}/web/log"
            mimetype.assign = (".html" => "text/html")
            auth.backend = "plain"
            auth.backend.plain.userfile = "{sandbox.path}/web/users"
            setenv.set-environment = ("ESMITH_ROOT" => "{sandbox.path}")
            alias.url = (
                "/server-manager/cgi-bin/" => "{sandbox.path}/etc/e-smith/web/panels/manager/cgi-bin/",
                "/open/" => "{sandbox.path}/etc/e-smith/web/panels/manager/cgi-bin/",
            )
            $HTTP["url"] =~ "^/(server-manager/cgi-bin|open)/" {{ cgi.assign = ("" => "") }}
            $HTTP["url"] =~ "^/server-manager/" {{
                auth.require = ("" => ("method" => "basic", "realm" => "manager", "require" => "valid-user"))
            }}
        """)

        def become_listener():
            os.dup2(listener.fileno(), 3)
            os.set_inheritable(3, True)

        self.log = sandbox / "/web/log"
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ LISTEN_FDS=1 exec /usr/sbin/lighttpd -D -f "$0"',
             f"{sandbox.path}/web/lighttpd.conf"],
            preexec_fn=become_listener, close_fds=False, env=sandbox.environment,
        )
        listener.close()

    def stop(self):
        self._process.terminate()
        self._process.wait(10)


class Own(Door):
    """`mxbackup panel` on a port of the kernel's choice."""

    def __init__(self, sandbox):
        set_password = sandbox.run("mxbackup", "panel", "--set-password", input=PASSWORD + "\n")
        assert set_password.returncode == 0, set_password.stderr
        self._process = subprocess.Popen(
            [ROOT / "usr/sbin/mxbackup", "panel", "--port", "0"], stdout=subprocess.PIPE, text=True,
            env=sandbox.environment,
        )
        super().__init__(int(re.search(":([0-9]+)/", self._process.stdout.readline()).group(1)))

    def log_in(self, password=PASSWORD):
        answer = self.post("/login", {"password": password}, token=self.get("/login").token)
        if answer.status == 303:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def stop(self):
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()
