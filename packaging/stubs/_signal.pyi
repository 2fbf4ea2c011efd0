# What this project takes from the interpreter's own module: the import of signal costs more.
SIGPIPE: int
SIGURG: int
SIG_DFL: int

def signal(signalnum: int, handler: int, /) -> object: ...
