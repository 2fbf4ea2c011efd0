"""What a hostile visitor, page or browser tries at either door."""

import http.client
import os
import re
import socket
import stat
import threading
import time
import urllib.parse

import pytest
from doors import PASSWORD

from mxbackup.panel import login, rows, tokens

FORM = "application/x-www-form-urlencoded"
CHANGES = [
    ("/switch", {"to": "disabled"}),
    ("/create", {"name": "evil.example", "kind": "HOST"}),
    ("/create/confirm", {"name": "evil.example", "kind": "HOST"}),
    ("/remove", {"name": "smithnet.com", "kind": "DOMAIN"}),
    ("/list", {"list": "evil.example"}),
    ("/list/confirm", {"list": "evil.example HOST"}),
    ("/check", {}),
    ("/update", {}),
]


def database(host):
    return host.read("/home/e-smith/db/configuration")


def test_no_change_without_the_right_token(door, panel_host):
    before = database(panel_host)
    for path, fields in CHANGES:
        answer = door.post(path, fields, "ffffffff-" + "0" * 40)
        assert answer.status == 403 and "Nothing was changed" in answer.text
    for token in ("", "-", "ffffffffffffffffffffffffffff-", "\0é-", "9" * 5000):
        assert door.post("/switch", {"to": "disabled"}, token).status == 403
    assert database(panel_host) == before


def test_no_change_by_get(door, panel_host):
    before = database(panel_host)
    token = door.get().token
    for path, fields in CHANGES:
        query = urllib.parse.urlencode(dict(fields, token=token))
        assert door.get(path + "?" + query).status in (200, 303, 404, 405)
    assert database(panel_host) == before


def test_no_change_by_a_method_in_lower_case(own, panel_host):
    """The web server passes it on, and bottle takes it for POST."""
    own.log_in()
    before = database(panel_host)
    for method in ("post", "Post", "get"):
        answer = own.ask(method, "/switch?to=disabled", b"", Content_Type=FORM)
        assert answer.status in (403, 405)
    assert database(panel_host) == before


def test_a_token_is_bound_to_who_it_was_made_for_and_grows_old(panel_host, monkeypatch):
    token = tokens.make("form", "user admin", 60)
    assert tokens.good(token, "form", "user admin")
    assert not tokens.good(token, "form", "user other")
    assert not tokens.good(token, "said", "user admin")
    now = time.time()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 61)
    assert not tokens.good(token, "form", "user admin")


def test_the_secret_is_for_its_owner_alone_and_one_for_all(panel_host):
    made = []
    threads = [threading.Thread(target=lambda: made.append(tokens.secret())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 1 and len(made[0]) == 32
    folder = panel_host / "/var/lib/mxbackup"
    assert stat.S_IMODE((folder / "panel.secret").stat().st_mode) == 0o600
    assert os.listdir(str(folder)) == ["panel.secret"]


def test_an_empty_secret_is_not_used(panel_host):
    path = panel_host.write(tokens.SECRET, "")
    assert len(tokens.secret()) == 32 and path.read_bytes() == tokens.secret()


def test_a_secret_that_others_know_is_made_anew(panel_host):
    path = panel_host.write(tokens.SECRET, "k" * 32, 0o644)
    made = tokens.secret()
    assert made != b"k" * 32 and stat.S_IMODE(path.stat().st_mode) == 0o600
    os.chown(str(path), 65534, 65534)
    assert tokens.secret() != made and path.stat().st_uid == os.geteuid()


def test_a_damaged_store_of_verdicts_is_none(door, panel_host):
    for text in ('{"verdicts": {"smithnet.com": {"state": {}, "findings": 3, "checked": 1e99}}}', "[" * 100000):
        panel_host.write("/var/lib/mxbackup/verdicts.json", text)
        for path in ("/", "/check"):
            assert door.get(path).status == 200


def test_a_name_shows_no_letter_that_turns_the_writing(panel_host):
    assert rows.readable("xn--bcher-kva.example") == "b\u00fccher.example"
    for label in ("a\u202eb", "a\u200bb", "a\x85b", "a\ud800b"):
        name = "xn--" + label.encode("punycode").decode() + ".example"
        assert rows.readable(name) == ""


def test_a_message_in_an_address_must_be_ours(door):
    assert "evil" not in door.get("/?said=SUCCESS_ADDED&name=evil&proof=ffffffff-" + "0" * 40).text


def test_every_page_carries_the_headers_that_protect_it(door):
    for path in ("/", "/create", "/list", "/files", "/remove?name=smithnet.com", "/check", "/nowhere"):
        headers = door.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src" not in policy and "unsafe" not in policy
        assert "frame-ancestors 'self'" in policy and headers["x-frame-options"] == "SAMEORIGIN"
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"


def test_an_error_page_tells_no_path_and_no_trace(door, panel_host):
    for path in ("/nowhere", "/../../../etc/passwd", "/%2e%2e/", "/%7f", "/create/", "//evil.example/"):
        answer = door.get(path)
        assert answer.status in (400, 403, 404)
        for secret in ("Traceback", "/usr/lib", "/home", str(panel_host.path), "bottle"):
            assert secret not in answer.text


def test_an_unreadable_database_is_an_error_page(door, panel_host):
    configuration = panel_host / "/home/e-smith/db/configuration"
    configuration.unlink()
    configuration.mkdir()
    answer = door.get()
    assert answer.status == 500 and "Something failed on the server" in answer.text
    assert "Traceback" not in answer.text and "/home" not in answer.text


def test_a_body_that_is_too_big_is_refused_unread(door):
    token = door.get().token
    started = time.monotonic()
    body = b"list=" + b"a" * (10 << 20) + b"&token=" + token.encode()
    answer = door.ask("POST", "/list", body, Content_Type=FORM)
    assert answer.status == 413 and "too much at once" in answer.text
    assert time.monotonic() - started < 5


def test_ten_thousand_fields_are_refused(door):
    token = door.get().token
    body = "&".join(f"f{number}=x" for number in range(10000)) + "&token=" + token
    assert door.ask("POST", "/create", body, Content_Type=FORM).status == 413
    part = '--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n'
    body = "".join(part % number for number in range(10000)) + "--b--"
    assert door.ask("POST", "/list", body, Content_Type="multipart/form-data; boundary=b").status == 413


def test_a_name_of_a_megabyte_is_refused_like_any_other(door):
    for name in ("a" * (1 << 20), "é" * (1 << 19), "a." * (1 << 19), "<" * (1 << 20)):
        answer = door.post("/create", {"name": name, "kind": "DOMAIN"})
        assert answer.status in (413, 422) and len(answer.body) < 30000


def test_odd_forms_are_answered(door):
    token = door.get().token
    for body, kind in (
        (b"token=" + token.encode() + b"&name=%ff%fe%00%zz&kind=%", FORM),
        (b"\xff\xfe\x00", FORM), (b"{}", "application/json"), (b"x", "multipart/form-data"),
        (b"--b\r\n\r\n", "multipart/form-data; boundary=b"), (b"", ""),
        (b"--b", 'multipart/form-data; boundary="b'),
    ):
        assert door.ask("POST", "/create", body, Content_Type=kind).status in (400, 403, 413, 415, 422)
    for name in ("a\0b.org", "a\r\nb.org", b"\xed\xa0\x80.org", "{{7*7}}", "%s%n", "a,1,evil.org"):
        assert door.post("/create", {"name": name, "kind": "HOST"}, token).status == 422
    assert door.post("/create", {"name": "a.org", "kind": "EVERYTHING"}, token).status == 200
    assert door.post("/switch", {"to": "x"}, token).status == 400
    assert door.get("/?find=%C3%28&page=-1").status == 200
    assert door.get("/remove?name=%00%0a%ff").status in (303, 400)


def test_a_redirect_leads_to_ourselves_only(door):
    for path in ("//evil.example/", "/create/confirm"):
        answer = door.post(path, {"name": "//evil.example\r\nX: y", "kind": "HOST"})
        assert not answer.headers.get("location", "/").startswith(("//", "http"))


# The door of its own


def test_nobody_sees_anything_before_the_login(own, panel_host):
    before = database(panel_host)
    for path in ("/", "/create", "/list", "/files", "/check", "/remove?name=smithnet.com"):
        answer = own.get(path)
        assert answer.status == 303 and answer.headers["location"].startswith("/login")
        assert b"smithnet" not in answer.body
    token = own.get("/login").token
    for path, fields in CHANGES:
        assert own.post(path, fields, token).status == 303
    assert database(panel_host) == before


def test_log_in_and_out(own):
    assert own.log_in().status == 303
    assert "MX Backup is enabled" in own.get().text
    answer = own.post("/logout", {})
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert own.get().status == 303, "the session is over, whatever the browser keeps"
    page = own.follow(own.get())
    assert "Your session has ended" in page.text


def test_the_cookie_is_not_for_scripts_or_other_sites(own):
    cookie = own.log_in().headers["set-cookie"]
    assert re.match(r"mxbackup_session=[0-9a-f]{48}; Path=/; HttpOnly; SameSite=Strict$", cookie)


def test_a_wrong_password_is_slowed_down(own):
    # The second failure's delay is long enough for a busy machine to ask within it.
    for seconds in 1, 2:
        time.sleep(1.1 * (seconds - 1))
        answer = own.log_in("wrong")
        assert answer.status == 403 and "That is not the password" in answer.text
        assert answer.headers["retry-after"] == str(seconds)
    answer = own.log_in()
    assert answer.status == 429 and "Too early" in answer.text, "even the right one has to wait"
    time.sleep(2.1)
    assert own.log_in().status == 303


def test_the_delay_grows_to_a_limit_and_ends_with_the_right_password(panel_host):
    login.set_password(PASSWORD)
    now = [0.0]
    door = login.Door(lambda: now[0])
    waits = []
    for _ in range(8):
        session, wait, tried = door.attempt("wrong")
        assert tried and session is None
        assert door.attempt(PASSWORD)[2] is False
        waits.append(wait)
        now[0] += wait
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert door.attempt(PASSWORD)[0]
    assert door.attempt("wrong")[1] == 1


def test_a_session_ends_by_itself(panel_host):
    login.set_password(PASSWORD)
    now = [0.0]
    door = login.Door(lambda: now[0])
    session = door.attempt(PASSWORD)[0]
    now[0] += login.IDLE - 1
    assert door.knows(session) and not door.knows("0" * 48)
    now[0] += login.IDLE + 1
    assert not door.knows(session)
    session = door.attempt(PASSWORD)[0]
    while now[0] < login.IDLE * 2 + login.LONGEST:
        now[0] += login.IDLE - 1
        door.knows(session)
    assert not door.knows(session)
    sessions = [door.attempt(PASSWORD)[0] for _ in range(3)]
    assert [door.knows(one) for one in sessions] == [True] * 3
    door.close(sessions[1])
    assert [door.knows(one) for one in sessions] == [True, False, True]


def test_sessions_are_few(panel_host, monkeypatch):
    login.set_password(PASSWORD)
    monkeypatch.setattr(login, "SESSION_LIMIT", 3)
    now = [0.0]
    door = login.Door(lambda: now[0])
    sessions = []
    for _ in range(5):
        now[0] += 1
        sessions.append(door.attempt(PASSWORD)[0])
    assert [door.knows(session) for session in sessions] == [False, False, True, True, True]


def test_a_token_of_another_session_is_refused(own):
    own.log_in()
    token = own.get().token
    own.cookie = None
    own.log_in()
    assert own.post("/switch", {"to": "disabled"}, token).status == 403


def test_the_password_file_is_root_s_and_no_other_is_used(panel_host):
    login.set_password(PASSWORD)
    path = panel_host / login.PASSWORD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert re.match(r"scrypt 16384 [0-9a-f]{32} [0-9a-f]{64}\n$", path.read_text())
    assert login.right(PASSWORD)
    assert not any(map(login.right, (PASSWORD + " ", "", "a" * 10**6)))
    path.chmod(0o640)
    with pytest.raises(login.PasswordError, match="others than root"):
        login.right(PASSWORD)
    path.chmod(0o600)
    for content in ("", "plain", "scrypt x y z", "scrypt 99999999 00 00", "md5 1 00 00"):
        path.write_text(content)
        with pytest.raises(login.PasswordError):
            login.right(PASSWORD)
    path.unlink()
    assert not login.right(PASSWORD) and not login.password_is_set()


def test_set_password_refuses_a_short_one_and_the_server_one_without(panel_host):
    short = panel_host.run("mxbackup", "panel", "--set-password", input="short\n")
    assert (short.returncode, short.stderr) == (2, "mxbackup: the password needs 10 characters at least\n")
    unset = panel_host.run("mxbackup", "panel", "--port", "0")
    assert unset.returncode == 1 and "--set-password" in unset.stderr
    assert panel_host.run("mxbackup", "panel", "--port", "70000").returncode == 2


def test_a_port_in_use_is_said(own, panel_host):
    second = panel_host.run("mxbackup", "panel", "--port", own.port)
    assert second.returncode == 1 and "in use" in second.stderr


def test_it_listens_on_the_loopback_address_only(own):
    with open("/proc/net/tcp") as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert f"0100007F:{own.port:04X}" in listening and f"00000000:{own.port:04X}" not in listening


def test_another_name_for_the_address_is_refused(own):
    for host in ("127.0.0.1", "localhost:8080", "[::1]:9"):
        assert own.get("/", Host=host).status == 303
    for host in ("evil.example", "", "127.0.0.1.evil.example", "localhost@evil.example", "127.0.0.1:1:2"):
        assert own.get("/", Host=host).status == 421


def test_a_post_from_another_site_is_refused(own):
    token = own.get("/login").token
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{own.port}", "http://127.0.0.1:1"):
        assert own.post("/login", {"password": PASSWORD}, token, Origin=origin).status == 403
    ours = f"http://127.0.0.1:{own.port}"
    assert own.post("/login", {"password": PASSWORD}, token, Origin=ours).status == 303


def test_clients_that_never_send_do_not_keep_others_out(own):
    silent = []
    try:
        for number in range(120):
            client = socket.create_connection(("127.0.0.1", own.port), timeout=10)
            client.sendall((
                b"", b"GET /login HTTP/1.0\r\nHos", b"POST /login HTTP/1.0\r\nContent-Length: 99\r\n\r\nx",
            )[number % 3])
            silent.append(client)
        started = time.monotonic()
        assert own.get("/login").status == 200
        assert time.monotonic() - started < 3
    finally:
        for client in silent:
            client.close()


def test_a_request_without_end_is_cut_off(own):
    client = socket.create_connection(("127.0.0.1", own.port), timeout=30)
    client.sendall(b"GET /" + b"a" * 70000)
    assert client.recv(100).split()[1] == b"414"
    client.close()
    connection = http.client.HTTPConnection("127.0.0.1", own.port, timeout=10)
    connection.request("GET", "/login", headers={f"X-{number}": "y" for number in range(200)})
    assert connection.getresponse().status in (400, 431)
    connection.close()


def test_a_body_of_an_odd_length_is_refused(own):
    for length in ("-5", "3\xb2", "99999999999999999999999", "1e3", "0x3", "1_0", "+3", ""):
        client = socket.create_connection(("127.0.0.1", own.port), timeout=10)
        head = f"POST /login HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\nabc"
        client.sendall(head.encode("latin-1"))
        assert client.recv(100).split()[1] in (b"400", b"413"), length
        client.close()


def test_methods_it_does_not_know(own):
    own.log_in()
    for method in ("PUT", "DELETE", "TRACE", "OPTIONS", "PATCH"):
        assert own.ask(method, "/").status in (405, 501)
    assert own.ask("HEAD", "/").body == b""


def test_a_client_that_dribbles_gives_way_to_others(panel_host, monkeypatch):
    from mxbackup.panel import server

    monkeypatch.setattr(server, "REQUEST_TIME", 0.5)

    def answer(environ, start_response):
        start_response("204 No Content", [])
        return []

    with server.Server(0, answer) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        try:
            client = socket.create_connection(("127.0.0.1", running.server_port), timeout=10)
            for byte in b"GET / H":
                client.sendall(bytes((byte,)))
                time.sleep(0.1)
            socket.create_connection(("127.0.0.1", running.server_port), timeout=10).close()
            assert client.recv(100) == b""
            client.close()
        finally:
            running.shutdown()
            thread.join()
