# The SHA-256 of the interpreter (up to Python 3.11), without the loading of OpenSSL.
from hashlib import _Hash as Hash

def sha256(data: bytes = ..., /) -> Hash: ...
