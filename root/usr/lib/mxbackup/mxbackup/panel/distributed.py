"""The distribution's packages that the panel is made with."""

from esmith import distribution

distribution.use()

import bottle  # noqa: E402  (found only now, as the next one)
import jinja2  # noqa: E402

__all__ = ["bottle", "jinja2"]
