# What the panel uses of bottle 0.12.
from collections.abc import Callable, Iterable

from _typeshed.wsgi import StartResponse, WSGIEnvironment

class BaseRequest:
    environ: WSGIEnvironment

class BaseResponse:
    body: bytes | str
    status: int
    @property
    def status_code(self) -> int: ...
    @property
    def headerlist(self) -> list[tuple[str, str]]: ...
    def set_header(self, name: str, value: str) -> None: ...
    def add_header(self, name: str, value: str) -> None: ...

class HTTPResponse(BaseResponse, Exception):
    def __init__(self, body: bytes | str = ..., status: int | None = ...) -> None: ...

class HTTPError(HTTPResponse): ...

class Bottle:
    default_error_handler: Callable[[HTTPError], bytes | str]
    def route(self, path: str, method: str, *, callback: Callable[[], HTTPResponse]) -> object: ...
    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]: ...

request: BaseRequest
response: BaseResponse
