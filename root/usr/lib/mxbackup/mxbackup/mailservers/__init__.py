"""Each mail server as one shape: its files, what a rule gives there, what it does beyond its files.

It knows nothing of databases' rules but what a Wanted tells, and nothing of commands.
"""
