"""The distribution's packages that the panel is made with."""

from esmith import distribution

distribution.use()

try:
    import bottle
    import jinja2
except ImportError as error:
    package = f"the distribution's python3-{error.name} (EL: from EPEL)"
    raise SystemExit(f"mxbackup panel: {error}: install {package}") from None

__all__ = ["bottle", "jinja2"]
