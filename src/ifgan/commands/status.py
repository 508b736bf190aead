"""Exit statuses of commands that came to an end."""

FAILED = 1  # some inputs failed, the others are done
