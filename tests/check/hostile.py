"""Servers that no honest administrator runs, each on a loopback port of its own."""

import contextlib
import socket
import threading


@contextlib.contextmanager
def tcp(behave):
    """Run `behave(connection)` in a thread for each connection; gives the address, (host, port)."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=50)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    def talk(connection):
        with connection, contextlib.suppress(OSError):
            behave(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextlib.contextmanager
def udp(answer, over_tcp=None):
    """Send what `answer(question)` gives (bytes, or None for silence) for each datagram.

    `over_tcp(connection)` serves TCP on the same port. Gives the address.
    """
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(tcp(over_tcp))[1] if over_tcp else 0
        server = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        server.bind(("127.0.0.1", port))
        stop = threading.Event()
        server.settimeout(0.2)

        def serve():
            while not stop.is_set():
                try:
                    question, client = server.recvfrom(4096)
                    reply = answer(question)
                    if reply is not None:
                        server.sendto(reply, client)
                except TimeoutError:
                    continue
                except OSError:
                    return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()
        finally:
            stop.set()
            thread.join()


def lines(connection):
    """Yield the lines (bytes) that the client says."""
    with connection.makefile("rb") as said:
        yield from said


def obedient(**special):
    """Return a server that takes everything; `special` maps a verb in lower case to (reply lines, bytes)."""
    def behave(connection):
        connection.sendall(special.get("greeting", b"220 hostile.example ESMTP\r\n"))
        for line in lines(connection):
            verb = line[:4].strip().lower().decode("ascii", "replace")
            connection.sendall(special.get(verb, b"250 fine\r\n"))
            if verb == "quit":
                return
    return behave
