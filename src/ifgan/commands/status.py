"""Exit statuses, beside 0 for done."""

FAILED = 1  # some inputs failed, the others are done
WRONG_USE = 2  # nothing was done, or what had to be done couldn't be
