"""The web panel: one WSGI application, with a door in the server-manager (CGI) and one of its own."""
