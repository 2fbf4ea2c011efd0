"""The name by which fragments call mxbackup.host.identity; it is published, and fragments of 1.0.0 use it."""

from mxbackup.host.identity import default_route, own_domains  # noqa: F401
