"""`python3 -m mxbackup`: the command on a machine where nothing of this is installed."""

import sys

from mxbackup import cli

sys.exit(cli.main(sys.argv))
