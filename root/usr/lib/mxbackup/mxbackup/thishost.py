"""The name by which core fragments call mxbackup.mailfiles.core: published, and in fragments of 1.0.0."""

from mxbackup.mailfiles.core import default_route, own_domains  # noqa: F401
