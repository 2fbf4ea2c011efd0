"""Makes a host a backup MX: rules, the mail servers' files, checks, panel.

Each folder is a room; docs/architecture.md has their table. This file knows the version, and nothing else.
"""

__version__ = "1.1.0"
