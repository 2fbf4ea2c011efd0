"""What a browser sends: forms, read within limits, whatever the sender claims."""

import re
from urllib.parse import unquote_to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from re import Match

    from _typeshed.wsgi import WSGIEnvironment

BODY_LIMIT = 2 << 20  # bytes: a list of some 60,000 names
FIELD_LIMIT = 50


class FormError(Exception):
    """A form that is not read; `status` is the HTTP status that says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def body_length(environ: "WSGIEnvironment") -> int:
    """Return the length (int, bytes) of the body in a WSGI environment.

    Raises FormError(400) where it is not known, FormError(413) for more than BODY_LIMIT.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if not re.match("[0-9]{1,18}$", length):
        raise FormError(400)
    if int(length) > BODY_LIMIT:
        raise FormError(413)
    return int(length)


def read(environ: "WSGIEnvironment", charset: str) -> "dict[str, str]":
    """Return {name: value} (str) of the form in a WSGI environment; of fields of one name the first counts.

    Raises FormError(413) for more than BODY_LIMIT bytes (which are then not read) or FIELD_LIMIT fields,
    FormError(400) for a body of unknown length, FormError(415) for another type.
    """
    length = body_length(environ)
    body = environ["wsgi.input"].read(length)
    if len(body) != length:
        raise FormError(400)
    kind, _, parameters = environ.get("CONTENT_TYPE", "").partition(";")
    if kind.strip().lower() == "application/x-www-form-urlencoded":
        pairs = _url_encoded(body)
    elif kind.strip().lower() == "multipart/form-data":
        boundary = re.search('(?i)boundary="?([-0-9A-Za-z\'()+_,./:=? ]{1,70})', parameters)
        if not boundary:
            raise FormError(400)
        pairs = _multipart(body, boundary.group(1).encode())
    else:
        raise FormError(415)
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(_text(name[:100], charset), _text(value, charset))
    return fields


def _text(data: bytes, charset: str) -> str:
    if charset.lower() == "utf-8":
        return data.decode("utf-8", "replace")
    # Browsers take ISO-8859-1 for windows-1252, and send what does not fit as &#NUMBER; (HTML, 'encode').
    text = re.sub("[\x80-\x9f]", lambda match: match.group().encode("latin-1").decode("cp1252", "replace"),
                  data.decode("latin-1"))
    return re.sub("&#([0-9]{1,7});", _character, text)


def _character(match: "Match[str]") -> str:
    number = int(match.group(1))
    return "\ufffd" if number > 0x10FFFF or 0xD800 <= number < 0xE000 else chr(number)


def _url_encoded(body: bytes) -> "Iterator[tuple[bytes, bytes]]":
    pairs = body.split(b"&")
    if len(pairs) > FIELD_LIMIT:
        raise FormError(413)
    for pair in pairs:
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        yield unquote_to_bytes(name), unquote_to_bytes(value)


def _multipart(body: bytes, boundary: bytes) -> "Iterator[tuple[bytes, bytes]]":
    """Parts of a multipart/form-data body (RFC 7578): a file's content counts as its field's value."""
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, FIELD_LIMIT + 2)
    if len(parts) > FIELD_LIMIT + 1:
        raise FormError(413)
    for part in parts[1:]:
        head, blank, value = part.partition(b"\r\n\r\n")
        name = re.search(br'(?i)^content-disposition:[^\r\n]*[; ]name="([^"\r\n]*)"', head.lstrip(), re.M)
        if blank and name:
            yield name.group(1), value
