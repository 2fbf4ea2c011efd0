"""Internationalised names to A-labels, as IDNA 2008 (RFC 5891) has them.

By the `idna` package: the standard library's codec is IDNA 2003, which makes another name of `straße.de`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

# No name that DNS can hold is longer, and the conversion of a very long one takes very long.
_LONGEST = 1000


def a_labels(name: str) -> str:
    """Return `name` (str), which is not ASCII, with A-labels (str), after the mapping of UTS 46.

    Raises ValueError, saying why, where it is no such name, or where the package is not there.
    """
    if len(name) > _LONGEST:
        raise ValueError("is longer than 253 octets")
    idna = _package()
    try:
        encoded: bytes = idna.encode(name, uts46=True)
        return encoded.decode("ascii")
    except (ValueError, IndexError) as error:
        raise ValueError(f"is no internationalised name ({ascii(str(error))[1:-1]})") from None


def u_labels(name: str) -> str:
    """Return `name` (str), which has A-labels, with U-labels; "" where there are none, or no package for them."""
    try:
        found: str = _package().decode(name)
        return found
    except (ValueError, IndexError):
        return ""


def _package() -> "ModuleType":
    try:
        import idna
    except ImportError:
        from esmith import distribution
        distribution.use()
        try:
            import idna
        except ImportError:
            raise ValueError(
                "is not ASCII, and Python's idna package (python3-idna) is not installed: install it, or"
                " write the name as it is in DNS (xn--...)") from None
    return idna
