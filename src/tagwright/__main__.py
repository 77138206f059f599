"""`python -m tagwright`."""

import sys

from tagwright.cli.main import run

sys.exit(run())
