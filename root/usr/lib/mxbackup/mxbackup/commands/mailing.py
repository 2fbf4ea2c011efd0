"""Mail that a command sends: through the sendmail program of this host's mail server."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable

SENDMAIL = "/usr/sbin/sendmail"
SECONDS = 60


def send(to: str, subject: str, lines: "Iterable[str]") -> str:
    """Send the text `lines` to the address `to`; return why it was not sent, "" where it was."""
    from subprocess import PIPE, Popen, TimeoutExpired

    from esmith.paths import rooted
    head = [f"To: {to}", f"Subject: {subject}", "Auto-Submitted: auto-generated", "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", ""]
    try:
        sendmail = Popen([rooted(SENDMAIL), "-i", "--", to], stdin=PIPE)
        sendmail.communicate(("\n".join([*head, *lines]) + "\n").encode("utf-8", "replace"), timeout=SECONDS)
        failure = f"it exited with {sendmail.returncode}" if sendmail.returncode else ""
    except TimeoutExpired:
        sendmail.kill()
        sendmail.wait()
        failure = f"it took more than {SECONDS} seconds"
    except OSError as error:
        failure = error.strerror or str(error)
    return f"{SENDMAIL}: the mail to {to} was not sent: {failure}" if failure else ""
