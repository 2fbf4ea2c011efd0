"""Makes the distribution's packages importable: the launchers start without them (-S), to be faster."""

import sys


def use() -> None:
    """Put the distribution's packages (jinja2, dnspython, bottle) on sys.path, once."""
    if sys.flags.no_site and "site" not in sys.modules:
        import site

        site.main()
