"""Makes a host a backup MX: rules, the mail servers' files, checks, panel."""

__version__ = "1.0.0"
