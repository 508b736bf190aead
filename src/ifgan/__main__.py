"""``python -m ifgan`` is the command line."""

import sys

from ifgan.cli import main

if __name__ == "__main__":
    sys.exit(main())
