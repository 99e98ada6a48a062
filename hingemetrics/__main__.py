"""The command, run as python -m hingemetrics."""

import sys

from hingemetrics.cli import main

if __name__ == "__main__":
    sys.exit(main())
