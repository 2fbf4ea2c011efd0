"""What the panel shows and changes, through both doors, as a client without a browser sees it."""

import re
import urllib.parse

import pytest

RCPTHOSTS = "/var/qmail/control/rcpthosts"


def entries(host, path=RCPTHOSTS):
    return [line for line in host.read(path).splitlines() if line and not line.startswith("#")]


def names(host):
    listed = host.run("db", "configuration", "getprop", "mxbackup", "name")
    return listed.stdout.strip()


def state(answer):
    """The light's colour and the word beside it."""
    return re.search('(?s)class="light (on|off)".*class="word">([^<]+)', answer.text).groups()


def test_the_first_page_shows_the_state_and_the_rules_in_the_order_of_the_files(door):
    page = door.get()
    assert page.status == 200
    assert state(page) == ("on", "MX Backup is enabled")
    assert page.text.index("smithnet.com") < page.text.index("mail.bar.org")
    assert "Disable MX Backup" in page.text and "Not checked yet" in page.text


def test_create_shows_a_summary_first_and_changes_nothing_until_it_is_confirmed(door, panel_host):
    before = names(panel_host)
    summary = door.post("/create", {"name": "Example.NET.", "kind": "DOMAIN"})
    assert summary.status == 200
    assert "Check the new rule" in summary.text and "<pre>example.net\n.example.net</pre>" in summary.text
    assert names(panel_host) == before
    done = door.post("/create/confirm", {"name": "example.net", "kind": "DOMAIN"})
    assert "example.net was added." in door.follow(done).text
    assert {"example.net", ".example.net"} <= set(entries(panel_host))


def test_a_new_rule_is_a_host_where_nothing_else_is_said(door, panel_host):
    page = door.get("/create")
    assert re.search('value="HOST" checked', page.text)
    assert 'value="HOST"' in door.post("/create", {"name": "example.net"}).text


REFUSED = [
    ("", "HOST", "Give a name."),
    ("bad_name.org", "HOST", "A host name holds letters, digits, hyphens and dots only."),
    ("-a.org", "HOST", "No part of the name may begin or end with a hyphen."),
    ("a..org", "HOST", "Two dots follow each other"),
    ("localhost", "HOST", "A host name has two parts at least"),
    ("192.0.2.1", "HOST", "An address is no host name"),
    ("co.uk", "DOMAIN", "open the relay to them all"),
    ("<script>alert(1)</script>", "HOST", "A host name holds letters"),
]


def test_a_refused_name_stays_typed_in_with_the_reason_beside_it(door, panel_host):
    before = names(panel_host)
    token = door.get().token
    for typed, kind, reason in REFUSED:
        page = door.post("/create", {"name": typed, "kind": kind}, token)
        assert page.status == 422
        assert reason in re.search('<p class="error" id="name-error">([^<]+)', page.text).group(1)
        assert f'name="name" value="{typed}"' in page.text
        assert b"<script" not in page.body
        assert re.search(f'value="{kind}" checked', page.text)
    assert names(panel_host) == before


def test_a_rule_that_exists_is_not_created_twice_and_another_kind_is_announced(door, panel_host):
    page = door.post("/create", {"name": "smithnet.com", "kind": "DOMAIN"})
    assert page.status == 422 and "This rule exists already" in page.text
    page = door.post("/create", {"name": "smithnet.com", "kind": "HOST"})
    assert page.status == 200 and "smithnet.com is already there as DOMAIN" in page.text
    page = door.follow(door.post("/create/confirm", {"name": "smithnet.com", "kind": "HOST"}))
    assert "smithnet.com is now a HOST." in page.text
    assert ".smithnet.com" not in entries(panel_host)


def test_remove_asks_first(door, panel_host):
    summary = door.get("/remove?name=smithnet.com")
    assert "Remove this rule?" in summary.text and "<pre>smithnet.com\n.smithnet.com</pre>" in summary.text
    assert "smithnet.com" in names(panel_host)
    page = door.follow(door.post("/remove", {"name": "smithnet.com", "kind": "DOMAIN"}))
    assert "smithnet.com was removed." in page.text
    assert entries(panel_host).count("smithnet.com") == 0


def test_disable_and_enable(door, panel_host):
    door.follow(door.post("/switch", {"to": "enabled"}))
    page = door.follow(door.post("/switch", {"to": "disabled"}))
    assert state(page) == ("off", "MX Backup is disabled") and "MX Backup was disabled." in page.text
    assert "mail.bar.org" not in entries(panel_host)
    page = door.follow(door.post("/switch", {"to": "enabled"}))
    assert state(page)[0] == "on" and "mail.bar.org" in entries(panel_host)


def count(host):
    """Let each event add a line to /count."""
    host.write("/etc/e-smith/events/mxbackup-update/S99count",
               f"#!/bin/sh\necho >> {host.path}/count\n", 0o755)


def test_one_submit_is_one_event(manager, panel_host):
    count(panel_host)
    manager.post("/create/confirm", {"name": "example.net", "kind": "HOST"})
    assert panel_host.read("/count") == "\n"
    manager.post("/create/confirm", {"name": "example.net", "kind": "HOST"})
    assert panel_host.read("/count") == "\n", "nothing changed, so nothing is to be brought up to date"


def test_a_failing_event_is_shown_with_its_reason_and_nothing_else_of_what_its_handlers_print(door, panel_host):
    panel_host.write("/etc/e-smith/events/mxbackup-update/S99fail",
                     "#!/bin/sh\necho 'ERROR: no <b>été</b>'\necho NOISE\necho NOISE >&2\nexit 1\n", 0o755)
    answer = door.post("/create/confirm", {"name": "example.net", "kind": "HOST"})
    assert "NOISE" not in answer.text
    page = door.follow(answer)
    assert 'role="alert"' in page.text and "The change is saved, but" in page.text and "NOISE" not in page.text
    assert "<p>The reason: S99fail failed (exit status 1): ERROR: no <b>été</b></p>" in page.text
    assert b"<b>" not in page.body
    (panel_host / RCPTHOSTS).unlink()
    answer = door.post("/create/confirm", {"name": "example.com", "kind": "HOST"})
    (panel_host / RCPTHOSTS).unlink()
    assert f"<p>Not as the database says: {RCPTHOSTS}</p>" in door.follow(answer).text
    assert "example.net" in names(panel_host)


def test_a_change_that_cannot_be_saved_is_shown_without_a_path(manager, panel_host):
    folder = panel_host / "/home/e-smith/db"
    token = manager.get().token
    (folder / "configuration").unlink()
    (folder / "configuration").mkdir()
    answer = manager.post("/create/confirm", {"name": "example.net", "kind": "HOST"}, token)
    assert answer.status in (303, 500)
    assert str(panel_host.path) not in answer.text and "/home/e-smith" not in answer.text


def test_a_second_window_is_told_that_the_rule_is_gone_or_changed(door, panel_host):
    token = door.get().token
    door.post("/remove", {"name": "smithnet.com", "kind": "DOMAIN"}, token)
    page = door.follow(door.post("/remove", {"name": "smithnet.com", "kind": "DOMAIN"}, token))
    assert "it was removed already" in page.text
    assert "it was removed already" in door.follow(door.get("/remove?name=smithnet.com")).text
    door.post("/create/confirm", {"name": "mail.bar.org", "kind": "DOMAIN"}, token)
    page = door.follow(door.post("/remove", {"name": "mail.bar.org", "kind": "HOST"}, token))
    assert "is now DOMAIN" in page.text and "mail.bar.org,1" in names(panel_host)
    page = door.follow(door.post("/create/confirm", {"name": "mail.bar.org", "kind": "DOMAIN"}, token))
    assert "exists already: someone added it meanwhile" in page.text


def multipart(fields, boundary="----x"):
    return "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                   for name, value in fields.items()) + f"--{boundary}--\r\n"


def test_a_list_is_pasted_or_uploaded_and_confirmed(door, panel_host):
    token = door.get("/list").token
    body = multipart({"token": token, "list": "a.example DOMAIN\r\n# a comment\r\nsmithnet.com,DOMAIN\r\n",
                      "file": "name,kind\r\n.b.example\r\nc.example\r\n", "kind": "HOST"})
    summary = door.ask("POST", "/list", body, Content_Type="multipart/form-data; boundary=----x")
    assert summary.status == 200, summary.text
    assert "Check the new rules: 3" in summary.text and "left out below: 1." in summary.text
    listed = re.search('name="list" value="([^"]+)"', summary.text).group(1)
    page = door.follow(door.post("/list/confirm", {"list": listed}, token))
    assert "Rules that were added: 3." in page.text
    assert {"a.example", ".a.example", "b.example", ".b.example", "c.example"} <= set(entries(panel_host))
    assert ".c.example" not in entries(panel_host)


def test_each_wrong_line_of_a_list_is_named_and_nothing_is_added(manager, panel_host):
    before = names(panel_host)
    body = multipart({"token": manager.get("/list").token,
                      "list": "good.example\nbad_one.example\nco.uk DOMAIN\nx y z\n"})
    page = manager.ask("POST", "/list", body, Content_Type="multipart/form-data; boundary=----x")
    assert page.status == 422
    for line, text in ((2, "bad_one.example"), (3, "co.uk"), (4, "x y z")):
        assert f"Line {line}, {text}:" in page.text
    assert "good.example\nbad_one.example\nco.uk DOMAIN" in page.text
    assert names(panel_host) == before


@pytest.mark.parametrize("text, said", [
    ("# nothing\n", "The list is empty."), ("mail.bar.org", "exist already")])
def test_a_list_with_nothing_to_add(manager, text, said):
    body = multipart({"token": manager.get("/list").token, "list": text})
    page = manager.ask("POST", "/list", body, Content_Type="multipart/form-data; boundary=----x")
    assert page.status == 422 and said in page.text


def test_the_lines_of_each_mail_file_are_shown_also_while_disabled(door, panel_host):
    (panel_host / "/var/spool/smtpd/etc").mkdir(parents=True)
    panel_host.run("db", "configuration", "set", "SMTPSmartHost", "smtp.provider.net")
    panel_host.run("db", "configuration", "setprop", "mxbackup", "status", "disabled")
    page = door.get("/files")
    for path, lines in (
        (RCPTHOSTS, "smithnet.com\n.smithnet.com\nmail.bar.org"),
        ("/var/qmail/control/smtproutes", "smithnet.com:\n.smithnet.com:\nmail.bar.org:"),
        ("/var/spool/smtpd/etc/smtpd_check_rules",
         "allow:ALL:ALL:*.smithnet.com *@smithnet.com\nallow:ALL:ALL:*@mail.bar.org"),
    ):
        shown = re.search(f"<code>{path}</code></h3>\n.*\n<pre>([^<]*)</pre>", page.text)
        assert shown.group(1) == lines
    assert "MX Backup is disabled: these lines will be written when it is enabled." in page.text


def test_a_file_that_is_old_is_shown_so_and_can_be_written_again(door, panel_host):
    panel_host.run("signal-event", "mxbackup-update")
    assert "not as the database says" not in door.get("/files").text
    with open(str(panel_host / RCPTHOSTS), "a") as file:
        file.write("byhand.example\n")
    assert "not as the database says" in door.get("/files").text
    page = door.follow(door.post("/update", {}))
    assert "The mail files are up to date." in page.text and "not as the database says" not in page.text
    assert "byhand.example" not in entries(panel_host)


def test_ignored_rules_are_shown_with_the_reason_and_cannot_inject(manager, panel_host):
    panel_host.run("db", "configuration", "setprop", "mxbackup", "name",
                   "co.uk,1,<img src=x>,0,{{7*7}}.org,0,smithnet.com,1,x.org,7,\xe9\udcff.org,0")
    page = manager.get()
    assert page.status == 200
    assert b"<img" not in page.body and "{{7*7}}.org" in page.text
    assert "Its flag is neither 0 (HOST) nor 1 (DOMAIN)." in page.text
    assert "open the relay to them all" in page.text


def test_many_rules_come_in_pages_and_are_found_by_a_part_of_their_name(manager, panel_host):
    flat = ",".join(f"host{number:03}.example,0" for number in range(250))
    panel_host.run("db", "configuration", "setprop", "mxbackup", "name", flat)
    page = manager.get()
    assert "250 rules" in page.text and "Page 1 of 3" in page.text and "host100.example" not in page.text
    assert "host249.example" in manager.get("/?page=3").text
    assert manager.get("/?page=99999999999999").status == 200
    found = manager.get("/?find=T01")
    assert "host010.example" in found.text and "host020.example" not in found.text
    assert "No rule has a name that contains" in manager.get("/?find=%3Cb%3E").text


def test_french_where_the_browser_prefers_it(door):
    page = door.get(Accept_Language="de, fr-CA;q=0.8, en;q=0.5")
    assert '<html lang="fr">' in page.text and "Le MX de secours est activé" in page.text
    assert page.headers["vary"] == "Accept-Language"
    assert '<html lang="en-US">' in door.get(Accept_Language="de, en;q=0.1, fr;q=0").text
    assert door.get(Accept_Language=";;q=,,q=nan;=" * 500).status == 200


def test_each_charset_is_declared_and_spoken(manager, latin_manager):
    for door, charset in ((manager, "UTF-8"), (latin_manager, "ISO-8859-1")):
        page = door.get("/create", Accept_Language="fr")
        assert page.headers["content-type"] == "text/html; charset=" + charset
        assert f'<meta charset="{charset}">' in page.text and f'accept-charset="{charset}"' in page.text
        assert "Créer une nouvelle règle" in page.body.decode(charset)
        # as a browser sends it: in the page's charset, what that lacks as a character reference
        body = urllib.parse.urlencode(
            {"name": "Bücher-Łódź.example", "kind": "HOST", "token": page.token},
            encoding=charset, errors="xmlcharrefreplace")
        summary = door.ask("POST", "/create", body, Content_Type="application/x-www-form-urlencoded")
        assert summary.status == 200, summary.text
        assert re.search(r'value="xn--b[^"]*\.example"', summary.text)
        assert "(bücher-łódź.example)" in summary.text


def test_what_the_manager_reads_in_the_function_file(panel_host):
    text = panel_host.read("/etc/e-smith/web/functions/mxbackup")
    assert re.search(r"(?m)^#\s*heading\s*:\s*Configuration$", text)
    assert re.search(r"(?m)^#\s*description\s*:\s*MX-Backup$", text)
    assert re.search(r"(?m)^#\s*navigation\s*:\s*6000 6710$", text)


def test_the_manager_s_frame_is_around_the_page(manager, panel_host):
    panel_host.write("/etc/e-smith/web/common/head.tmpl", """<!DOCTYPE html>
<html><head><title>{ $fm->{title} }</title>
<link rel="stylesheet" type="text/css" href="/server-common/css/sme_core.css">
<style>@import url("/server-common/css/sme_main.css");</style>
<script>swapClass();</script></head>
<body class="main" onload="x()"><div class="banner">SME Server { `id`; $OUT = "<b>" } manager</div>
<div class="in"><h1>{$title}</h1>
""")
    panel_host.write("/etc/e-smith/web/common/foot.tmpl",
                     '</div><p class="sme-copyright">Copyright</p>\n</body></html>\n')
    page = manager.get()
    assert '<link rel="stylesheet" href="/server-common/css/sme_core.css">' in page.text
    assert '<link rel="stylesheet" href="/server-common/css/sme_main.css">' in page.text
    assert '<body class="mxb-page main">' in page.text
    assert '<div class="banner">SME Server  manager</div>' in page.text
    assert '<p class="sme-copyright">Copyright</p>' in page.text
    assert "swapClass" not in page.text and "onload" not in page.text and "<b>" not in page.text
    assert page.text.count("<h1") == 1 and page.text.count("</html>") == 1


def test_a_cgi_without_a_user_answers_nothing_else(manager, panel_host):
    answer = manager.ask("GET", "", Authorization="Basic eDp5")
    assert answer.status == 401
    base, manager.base = manager.base, "/open/mxbackup"
    answer = manager.get()
    manager.base = base
    assert answer.status == 403
    assert answer.text == "This panel runs inside the server-manager, for a user who is logged in there.\n"


def test_the_cgi_run_by_hand_says_what_it_is(panel_host):
    import subprocess

    ran = subprocess.run([panel_host / "/etc/e-smith/web/functions/mxbackup"], capture_output=True, text=True,
                         env=panel_host.environment)
    assert (ran.returncode, ran.stdout) == (2, "") and "server-manager" in ran.stderr


def test_the_check_of_a_rule_is_shown(door, panel_host):
    page = door.follow(door.post("/check", {"name": "mail.bar.org"}))
    assert "Result of the check" in page.text and "mail.bar.org" in page.text
    assert re.search('class="verdict (good|fault|unknown)"', page.text)
    assert re.search(r"on 20\d\d-\d\d-\d\d at \d\d:\d\d", door.get().text)
    assert "There is no rule for x.org any more" in door.follow(door.post("/check", {"name": "x.org"})).text


def test_the_check_of_all_rules_is_shown_with_the_server_s_own(manager):
    page = manager.follow(manager.post("/check", {}))
    assert page.text.count('class="verdict ') == 3
    assert "smithnet.com" in page.text and "mail.bar.org" in page.text and "This server itself" in page.text


def test_a_check_of_many_rules_ends_in_time(monkeypatch):
    from mxbackup import check
    from mxbackup.panel import verdicts

    now, asked = [0.0], []

    def run(names, seconds, jobs):
        asked.append(len(names))
        now[0] += seconds * (1 + -(-len(names) // jobs))  # the worst: each takes all its time

    monkeypatch.setattr(check, "run", run)
    monkeypatch.setattr(verdicts.time, "monotonic", lambda: now[0])
    assert verdicts.check(["a.org"] * 1000, 45) is False
    assert now[0] <= 45 and 10 < sum(asked) < 1000
    now[0], asked[:] = 0.0, []
    assert verdicts.check(["a.org"] * 3, 45) is True and asked == [3]


def test_what_a_check_found_is_said_in_the_reader_s_language(door, panel_host):
    panel_host.write("/var/lib/mxbackup/verdicts.json", """{"verdicts": {"smithnet.com": {
        "state": "fault", "checked": 1700000000, "findings": [
        {"part": "smtp", "level": "fault",
         "text": "it refuses mail for smithnet.com: 550 <script>no: &eacute;</script>",
         "remedy": "run: mxbackup enable"},
        {"part": "dns", "level": "unchecked", "text": "news that no lexicon has <b>", "remedy": ""}]}}}""")
    french = door.get("/check", Accept_Language="fr")
    assert "il refuse le courrier de smithnet.com\u00a0: 550 <script>no: &eacute;</script>" in french.text
    assert "exécutez\u00a0: mxbackup enable" in french.text
    assert '<span lang="en">news that no lexicon has <b></span>' in french.text
    assert b"<script" not in french.body and b"&amp;eacute;" in french.body
    english = door.get("/check?name=smithnet.com", Accept_Language="en")
    assert "it refuses mail for smithnet.com: 550 <script>no" in english.text


@pytest.mark.parametrize("text", ["{", '{"rules": [}', "{ smithnet.com", '{"rules": 1}', "{}"])
def test_a_list_that_begins_as_json_and_is_none_is_refused_by_its_line(door, panel_host, text):
    before = names(panel_host)
    page = door.post("/list", {"list": text, "kind": "HOST"})
    assert page.status == 422
    assert re.search("Line [12], ", page.text) or "The list is empty." in page.text
    assert names(panel_host) == before


@pytest.mark.parametrize("form, fields", [
    ("/create/confirm", {"name": "a.example"}), ("/create/confirm", {"name": "a.example", "kind": "NONE"}),
    ("/list/confirm", {"list": "a.example\n"}), ("/list/confirm", {"list": "a.example HOST\nb.example\n"}),
    ("/list/confirm", {}), ("/create/confirm", {}), ("/remove", {}), ("/switch", {}),
])
def test_a_confirmation_without_what_its_summary_gives_is_refused(door, panel_host, form, fields):
    before = names(panel_host)
    answer = door.post(form, fields)
    assert answer.status in (303, 400)
    assert names(panel_host) == before


def test_the_history_shows_who_changed_what_and_takes_it_back_after_a_summary(door, panel_host):
    before = names(panel_host)
    door.post("/create/confirm", {"name": "history.example", "kind": "DOMAIN"})
    page = door.get("/history")
    assert "Added: history.example (DOMAIN)" in page.text and "panel: POST /create/confirm" in page.text
    number = re.search(r"/history\?undo=([0-9]+)", page.text).group(1)
    summary = door.get(f"/history?undo={number}")
    assert f"Undo change {number}?" in summary.text and "history.example" in summary.text
    assert names(panel_host) != before
    assert f"Change {number} was undone." in door.follow(door.post("/history", {"number": number})).text
    assert names(panel_host) == before
    again = door.follow(door.post("/history", {"number": number}))
    assert f"Change {number} cannot be undone" in again.text and names(panel_host) == before
    assert door.post("/history", {"number": "x"}).status == 400


def test_a_name_that_the_host_delivers_itself_is_refused_and_told(door, panel_host):
    panel_host.write("/var/qmail/control/locals", "own.example\nsmithnet.com\n")
    said = "this host delivers its mail itself, by /var/qmail/control/locals"
    answer = door.post("/create", {"name": "Own.example", "kind": "HOST"})
    assert answer.status == 422 and said in answer.text
    answer = door.post("/list", {"list": "b.org\nown.example DOMAIN", "kind": "HOST"})
    assert answer.status == 422 and "line 2" in answer.text.lower() and said in answer.text
    door.post("/create/confirm", {"name": "own.example", "kind": "HOST"})
    assert "own.example" not in panel_host.read("/home/e-smith/db/configuration")
    # One that was a rule before.
    assert said in door.get().text
    assert "d'après /var/qmail/control/locals" in door.get("/", Accept_Language="fr").text
