"""One module for each subcommand of `mxbackup`; the table of them is in mxbackup.cli."""
