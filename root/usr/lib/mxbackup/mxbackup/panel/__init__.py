"""The web panel: one WSGI application, with a door in the server-manager (CGI) and one of its own.

It knows HTTP, forms, sessions, languages and pages: `application` has the table of routes, each page or form
is a module with a template in `pages/`, and what it answers it makes with its `visit`. It does not know how
a rule is judged or kept (mxbackup.rules), what a check does (mxbackup.check), nor how a mail file is made:
`mailfiles` alone asks for that. Nothing outside this room knows it but the two doors: the manager's page,
by `gateway`, and `mxbackup panel`.
"""
