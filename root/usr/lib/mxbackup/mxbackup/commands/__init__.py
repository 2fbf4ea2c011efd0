"""One module for each subcommand of `mxbackup`; the table of them is in mxbackup.cli.

They know arguments, terminals and exit statuses; nothing that the panel would need, too.
"""
