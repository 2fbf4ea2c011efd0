"""The SMTP dialogue (RFC 5321) as a sending server holds it, with a server that nobody vouches for.

The protocol only: what to ask and what an answer means is the business of relay.py.
"""

import re
import socket
import time
from collections import namedtuple

from esmith.errors import EsmithError
from mxbackup.network.address import Deadline, Endpoint, addresses_of, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext
    from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Type, Union

    class _Reply(NamedTuple):
        code: int
        lines: List[str]
else:
    _Reply = namedtuple("_Reply", "code lines")

PORT = 25
# RFC 5321, 4.5.3.1.5 allows 512 octets; servers are known to say more.
LONGEST_LINE = 4096
MOST_LINES = 100
MOST_BYTES = 64 * 1024
CONNECT_SECONDS = 10
PAUSES_WHEN_BUSY = (1, 3)


class DialogueError(EsmithError):
    """The dialogue came to an end before its time; the text says how."""


class Closed(DialogueError):
    """The server has ended the connection, with 421 or without a word."""


class Busy(Closed):
    """The server greets with 421: it wants no more connections now."""


class TLSFailed(DialogueError):
    """The server offers STARTTLS, but no TLS came of it."""


class Reply(_Reply):
    """What the server answered: a code (int) and its lines (list of str, printable)."""

    @property
    def accepted(self) -> bool:
        return 200 <= self.code <= 299

    @property
    def put_off(self) -> bool:
        return 400 <= self.code <= 499

    @property
    def refused(self) -> bool:
        return 500 <= self.code <= 599

    def __str__(self) -> str:
        return printable(self.lines[-1], 200)


class Dialogue:
    """One connection to an SMTP server.

    `deadline` (network.Deadline) is for all of it, however slowly the server talks. `transcript`, a list,
    gets the lines that telnet would show.
    """

    def __init__(
        self, server: Endpoint, deadline: Deadline, transcript: "Optional[List[str]]" = None,
    ) -> None:
        self.server = server
        self.deadline = deadline
        self.transcript: List[str] = [] if transcript is None else transcript
        self.tls = ""
        self.extensions: Tuple[str, ...] = ()
        self.local = self.peer = ""
        self._socket: Optional[socket.socket] = None
        self._received = b""
        self._bytes = 0

    def __enter__(self) -> "Dialogue":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def connect(self) -> Reply:
        """Connect to the first of the server's addresses that answers; return its greeting (Reply)."""
        trouble = ""
        known = self.server.addresses or addresses_of(self.server.host, self.deadline.within(CONNECT_SECONDS))
        for address in known[:4]:
            self._say(f"Trying {address}...")
            try:
                self._socket = socket.create_connection(
                    (address, self.server.port), max(0.001, self.deadline.left(CONNECT_SECONDS)))
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.local, self.peer = self._socket.getsockname()[0], address
                break
            except (OSError, OverflowError) as error:
                trouble = ("no answer" if isinstance(error, socket.timeout)
                           else getattr(error, "strerror", None) or str(error))
                self._say(f"telnet: Unable to connect: {trouble}")
        else:
            raise DialogueError(f"{self.server}: no connection ({trouble})")
        self._say(f"Connected to {self.server.host}.")
        self._say("Escape character is '^]'.")
        greeting = self._reply(closing=Busy)
        if greeting.code != 220:
            raise DialogueError(f"{self.server}: it greets with {greeting}")
        return greeting

    def hello(self, name: str, tls: bool = True) -> Reply:
        """Introduce ourselves as `name`: EHLO, STARTTLS where it is offered and `tls` is true, else HELO.

        Without a name, our address stands for it (RFC 5321, 4.1.4).
        No certificate is asked for: between mail servers, TLS is better than nothing (RFC 7435).
        Raise TLSFailed where TLS was offered and failed; the connection is then of no more use.
        """
        name = name or f"[{'IPv6:' * (':' in self.local)}{self.local}]"
        reply = self._ehlo(name)
        if tls and "STARTTLS" in self.extensions:
            reply = self._secured(name) or reply
        if not reply.accepted:
            reply = self.command("HELO " + name)
        if not reply.accepted:
            raise DialogueError(f"{self.server}: it does not want to talk with {name}: {reply}")
        return reply

    def _ehlo(self, name: str) -> Reply:
        reply = self.command("EHLO " + name)
        words = (line[4:].split() for line in reply.lines[1:])
        self.extensions = tuple(word[0].upper() for word in words if word) if reply.accepted else ()
        return reply

    def _secured(self, name: str) -> "Optional[Reply]":
        """Go over to TLS and return the Reply to EHLO there, or None where the server does not want to."""
        whole = self.deadline
        # The rest is for going on without, where the server makes no end of it.
        self.deadline = whole.within(whole.left() / 3)
        try:
            if self.command("STARTTLS").code != 220:
                return None
            self._start_tls()
            return self._ehlo(name)
        except DialogueError as error:
            trouble = str(error).replace(f"{self.server}: ", "", 1)
            raise TLSFailed(f"{self.server}: it offers STARTTLS, but: {trouble}") from error
        finally:
            self.deadline = whole

    def _start_tls(self, context: "Optional[SSLContext]" = None) -> None:
        """Go over to TLS by `context`, without one with whomever it is."""
        try:
            import ssl
            if self._received:
                # Whoever sits between could have added that: RFC 3207, 6.
                raise DialogueError(f"{self.server}: it goes on talking after STARTTLS")
            if context is None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
            plain = self._connection
            plain.settimeout(max(0.001, self.deadline.left()))
            self._socket = secured = context.wrap_socket(plain)
            self.tls = secured.version() or ""
        except (OSError, ValueError, ImportError) as error:
            raise DialogueError(f"{self.server}: {printable(str(error))}") from error
        self._say(f"({self.tls} from here on)")

    def certificate(self) -> "Optional[Tuple[List[str], float]]":
        """Go over to TLS with a server that this machine trusts, whatever its name (after EHLO).

        Return the names that its certificate is for and the moment of its end (seconds since 1970), or None where
        the server offers no TLS. Raise TLSFailed where it is not trusted; the connection is then of no more use.
        """
        import ssl
        if "STARTTLS" not in self.extensions or self.command("STARTTLS").code != 220:
            return None
        context = ssl.create_default_context()
        context.check_hostname = False
        try:
            self._start_tls(context)
        except DialogueError as error:
            cause = error.__cause__
            reason = getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or str(cause)
            raise TLSFailed(f"its certificate is not trusted: {printable(reason, 120)}") from error
        assert isinstance(self._socket, ssl.SSLSocket)
        found: Dict[str, Any] = self._socket.getpeercert() or {}
        names = [value.lower() for kind, value in found.get("subjectAltName", ()) if kind == "DNS"]
        return names, ssl.cert_time_to_seconds(found["notAfter"])

    def mail(self, sender: str) -> Reply:
        """Begin a message from the address `sender`, "" for none; return the Reply."""
        return self.command(f"MAIL FROM:<{sender}>")

    def rcpt(self, recipient: str) -> Reply:
        """Name a recipient, without angle brackets; return the Reply."""
        return self.command(f"RCPT TO:<{recipient}>")

    def data(self, message: str) -> Reply:
        """Send the whole `message` (str, lines ended by \\n); return the last Reply."""
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        lines = ["." + line if line.startswith(".") else line for line in message.splitlines()]
        for line in lines:
            self._say(line)
        self._send("".join(line + "\r\n" for line in lines))
        return self.command(".")

    def command(self, line: str) -> Reply:
        """Send the command `line` and return its Reply; raise DialogueError, Closed."""
        self._say(line)
        self._send(line + "\r\n")
        return self._reply()

    def quit(self) -> None:
        """Take leave as is due, and close; a server that does not answer is not waited for long."""
        self.deadline = self.deadline.within(5)
        try:
            self.command("QUIT")
        except DialogueError:
            pass
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._say("Connection closed by foreign host.")

    @property
    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise Closed(f"{self.server}: there is no connection")
        return self._socket

    def _say(self, line: "Union[str, bytes]") -> None:
        self.transcript.append(printable(line, LONGEST_LINE))

    def _send(self, text: str) -> None:
        try:
            self._connection.settimeout(max(0.001, self.deadline.left()))
            self._connection.sendall(text.encode("ascii"))
        except socket.timeout as error:
            raise DialogueError(f"{self.server}: it does not take what it is told in time") from error
        except OSError as error:
            raise Closed(f"{self.server}: it closed the connection ({error.strerror or error})") from error

    def _reply(self, closing: "Type[Closed]" = Closed) -> Reply:
        lines: List[bytes] = []
        while True:
            line = self._line()
            self._say(line)
            form = re.match(rb"([2-5][0-9][0-9])([ -]|$)", line)
            if not form or lines and lines[-1][:3] != line[:3]:
                raise DialogueError(f"{self.server}: what it says is not SMTP: {printable(line, 60)}")
            lines.append(line)
            if form.group(2) != b"-":
                break
            if len(lines) >= MOST_LINES:
                raise DialogueError(f"{self.server}: its answer has more than {MOST_LINES} lines")
        reply = Reply(int(form.group(1)), [printable(line, LONGEST_LINE) for line in lines])
        if reply.code == 421:
            raise closing(f"{self.server}: it ends the connection: {reply}")
        return reply

    def _line(self) -> bytes:
        while b"\n" not in self._received:
            if len(self._received) > LONGEST_LINE:
                raise DialogueError(f"{self.server}: a line of its answer has more than {LONGEST_LINE} bytes")
            left = self.deadline.left()
            if not left:
                raise DialogueError(f"{self.server}: no full answer in time")
            try:
                self._connection.settimeout(left)
                received = self._connection.recv(4096)
            except socket.timeout:
                continue
            except OSError as error:
                raise Closed(f"{self.server}: it closed the connection ({error.strerror or error})") from error
            if not received:
                raise Closed(f"{self.server}: it closed the connection in the middle of the dialogue")
            self._bytes += len(received)
            if self._bytes > MOST_BYTES:
                raise DialogueError(f"{self.server}: it talks without end")
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line[:-1] if line.endswith(b"\r") else line


def certificate(server: Endpoint, name: str, deadline: Deadline) -> "Optional[Tuple[List[str], float]]":
    """Return what Dialogue.certificate() does, in a dialogue of its own as `name`.

    Raise DialogueError, network.LookupFailed.
    """
    with Dialogue(server, deadline) as dialogue:
        dialogue.connect()
        dialogue.hello(name, tls=False)
        return dialogue.certificate()


def begin(
    server: Endpoint, name: str, deadline: Deadline, transcript: "Optional[List[str]]" = None,
) -> "Tuple[Dialogue, Reply, str]":
    """Connect to `server` (Endpoint), say hello as `name`; return (Dialogue, greeting, TLS trouble).

    A busy server is asked again after a pause; where TLS fails, we go on without, as a sending server does:
    the trouble is then a text, else "". Raise DialogueError, network.LookupFailed.
    """
    trouble = ""
    pauses = list(PAUSES_WHEN_BUSY)
    while True:
        dialogue = Dialogue(server, deadline, transcript)
        try:
            greeting = dialogue.connect()
            dialogue.hello(name, tls=not trouble)
            return dialogue, greeting, trouble
        except DialogueError as error:
            dialogue.close()
            if isinstance(error, TLSFailed):
                trouble = str(error)
            elif isinstance(error, Busy) and pauses and deadline.left() > pauses[0]:
                time.sleep(pauses.pop(0))
            else:
                raise
