"""``python -m ifgan`` is the command line."""

import sys

from ifgan.cli import main

if __name__ == "__main__":
    sys.argv[0] = "ifgan"  # as the installed command is called, in records of what was run
    sys.exit(main())
