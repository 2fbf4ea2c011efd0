"""The web panel: one WSGI application, with a door in the server-manager (CGI) and one of its own.

It knows browsers, forms, sessions and languages; nothing that the command line would need, too.
"""
