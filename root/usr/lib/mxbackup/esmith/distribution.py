"""Makes the distribution's Python packages importable: the launchers start Python without them (-S), being
faster."""

import sys


def use():
    """Put the distribution's packages (jinja2, dnspython, bottle) on sys.path; the second call does
    nothing."""
    if sys.flags.no_site and "site" not in sys.modules:
        import site

        site.main()
