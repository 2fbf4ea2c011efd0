"""The panel's own door: an HTTP server on the loopback address that slow or many clients cannot block."""

import io
import socket
import threading
import time
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from mxbackup.panel import forms

ADDRESS = "127.0.0.1"
CONNECTIONS = 40  # at once
REQUEST_TIME = 20  # seconds for a client to send its request
SILENCE = 10  # seconds without a byte


class _Handler(WSGIRequestHandler):
    timeout = SILENCE

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # the client went away or was too slow

    def get_environ(self):
        environ = super().get_environ()
        environ["mxbackup.connection"] = self.connection
        return environ

    def log_message(self, *_message):
        pass  # what is typed into an address is nobody's business


class Server(ThreadingMixIn, WSGIServer):
    """Serves a WSGI application on 127.0.0.1, one thread a connection, CONNECTIONS at most.

    A client has REQUEST_TIME seconds to send its request. When all places are taken, the client that has been
    sending for longest gives way to the new one; only where all are being answered the new one is sent away.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port, application):
        """`port` 0 lets the kernel choose; `server_port` tells. Raises OSError."""
        self._lock = threading.Lock()
        self._since = {}  # connection -> when its request began to come in, None while it is answered
        self._application = application
        super().__init__((ADDRESS, port), _Handler)
        self.set_app(self._when_read)

    def server_bind(self):
        """Bind without the DNS look-up that the base class makes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address
        self.setup_environ()

    def _when_read(self, environ, start_response):
        """Read the request's body, then let the application answer; one that is too big is not read."""
        connection = environ.pop("mxbackup.connection")
        try:
            environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(forms.body_length(environ)))
        except forms.FormError:
            pass  # the application refuses it too, with a page
        with self._lock:
            self._since[connection] = None
        # Without it the answer would name the version of Python.
        return self._application(environ, lambda status, headers, *rest: start_response(
            status, headers + [("Server", "mxbackup")], *rest))

    def process_request(self, request, client_address):
        """Find a place for a new connection, at the cost of one that is too slow."""
        deadline = time.monotonic() + 1
        while not self._place(request):
            if time.monotonic() > deadline:
                return request.close()
            time.sleep(0.01)
        super().process_request(request, client_address)

    def _place(self, request):
        now = time.monotonic()
        with self._lock:
            reading = [(since, connection) for connection, since in self._since.items() if since is not None]
            full = len(self._since) >= CONNECTIONS
            oldest = min(reading, default=None, key=lambda pair: pair[0])
            for since, connection in reading:
                if now - since > REQUEST_TIME or (full and connection is oldest[1]):
                    self._hang_up(connection)
            if full:
                return False
            self._since[request] = now
            return True

    @staticmethod
    def _hang_up(connection):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it went by itself

    def shutdown_request(self, request):
        """Close a connection; what still comes in is read for a while, so that the client sees the answer."""
        with self._lock:
            self._since[request] = time.monotonic()
        deadline = time.monotonic() + 2
        try:
            request.shutdown(socket.SHUT_WR)
            request.settimeout(1)
            while time.monotonic() < deadline and request.recv(1 << 16):
                pass
        except OSError:
            pass
        with self._lock:
            del self._since[request]
        request.close()

    def handle_error(self, request, client_address):
        """Report nothing of a connection that failed; the application reports its own failures."""
