"""One HTTPS request (RFC 9110) to a server that nobody vouches for: its certificate is checked, nothing followed.

The protocol only: what a page says is the business of whoever asks for it.
"""

import socket
from collections import namedtuple
from io import BytesIO

from esmith.errors import EsmithError
from mxbackup.network.address import Deadline, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLSocket
    from typing import List, NamedTuple

    class Page(NamedTuple):
        status: int
        kind: str
        body: bytes
else:
    Page = namedtuple("Page", "status kind body")
Page.__doc__ = "What a server answered: status (int), media type (str, in lower case), body (bytes)."

PORT = 443
CONNECT_SECONDS = 5
# Beside the body that is asked for.
MOST_HEAD = 16 * 1024


class HTTPSError(EsmithError):
    """No page; the text says why."""


def get(host: str, addresses: "List[str]", path: str, most: int, deadline: Deadline) -> Page:
    """Return the Page at `path` of `host`, asked for at the first of its `addresses` that answers.

    The certificate has to be one for `host` that this machine trusts (RFC 9110, 4.3.4). A body of more than `most`
    octets, or one that is not whole before the Deadline, is none. Raise HTTPSError.
    """
    import ssl
    try:
        with _connected(host, addresses, deadline) as plain:
            plain.settimeout(max(0.001, deadline.left()))
            with ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured:
                # With 1.0 no server sends in chunks, or waits for a second question.
                request = f"GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: mxbackup\r\nConnection: close\r\n\r\n"
                secured.sendall(request.encode("ascii"))
                return _page(host, _received(host, secured, most, deadline), most)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or str(error)
        raise HTTPSError(f"{host}: no trusted connection: {printable(reason, 120)}") from error
    except (OSError, ValueError) as error:
        reason = "no answer in time" if isinstance(error, socket.timeout) else str(error)
        raise HTTPSError(f"{host}: the connection broke: {printable(reason, 120)}") from error


def _connected(host: str, addresses: "List[str]", deadline: Deadline) -> socket.socket:
    trouble = "it has no address"
    for address in addresses[:4]:
        try:
            return socket.create_connection((address, PORT), max(0.001, deadline.left(CONNECT_SECONDS)))
        except OSError as error:
            trouble = error.strerror or "no answer in time"
    raise HTTPSError(f"{host}: no connection to port {PORT}: {trouble}")


def _received(host: str, secured: "SSLSocket", most: int, deadline: Deadline) -> bytes:
    """Return all that the server says until it closes, or has said as much as it announced."""
    received = b""
    while len(received) <= most + MOST_HEAD:
        left = deadline.left()
        if not left:
            raise HTTPSError(f"{host}: no full answer in time")
        secured.settimeout(left)
        more = secured.recv(16384)
        received += more
        head, blank, body = received.partition(b"\r\n\r\n")
        if not more or blank and 0 <= _announced(head) <= len(body):
            return received
    raise HTTPSError(f"{host}: its answer is too long")


def _announced(head: bytes) -> int:
    """Return the Content-Length in `head`, -1 where there is none."""
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return -1


def _page(host: str, received: bytes, most: int) -> Page:
    from http.client import HTTPException, HTTPResponse

    class Said:
        """What HTTPResponse takes for a connection."""

        def makefile(self, *_: object) -> BytesIO:
            return BytesIO(received)

    try:
        response = HTTPResponse(Said())  # type: ignore[arg-type]
        response.begin()
        body = response.read()
    except (HTTPException, ValueError) as error:
        raise HTTPSError(f"{host}: what it says is not HTTP: {type(error).__name__}") from error
    if len(body) > most:
        raise HTTPSError(f"{host}: its answer is too long")
    return Page(response.status, (response.getheader("Content-Type") or "").partition(";")[0].strip().lower(), body)
