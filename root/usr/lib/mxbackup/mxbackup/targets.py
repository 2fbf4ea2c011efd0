"""The name by which fragments call mxbackup.mailfiles.part: published, and in administrators' own fragments."""

from mxbackup.mailfiles.part import text  # noqa: F401
