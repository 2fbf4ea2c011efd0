"""The client's side of an SMTP dialogue, as short as the tests need it."""

import smtplib


def rcpt_answers(address, recipients, sender="admin@anything.other.org"):
    """Return the reply code (int) to RCPT for each of `recipients`, in one dialogue at (host, port)."""
    with smtplib.SMTP(*address, timeout=20) as client:
        client.helo("anything.other.org")
        assert client.mail(sender)[0] == 250
        return [client.rcpt(recipient)[0] for recipient in recipients]
