# What this project takes from the interpreter's own module: the import of signal costs more.
from types import FrameType
from typing import Any, Callable, Optional, Union

SIGALRM: int
SIGPIPE: int
SIGURG: int
SIG_DFL: int
ITIMER_REAL: int

Handler = Union[Callable[[int, Optional[FrameType]], Any], int, None]

def signal(signalnum: int, handler: Handler, /) -> Handler: ...
def setitimer(which: int, seconds: float, interval: float = 0, /) -> tuple[float, float]: ...
