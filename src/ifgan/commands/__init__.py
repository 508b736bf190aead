"""What each command does: one short function a command; its docstring is the command's help.

Each returns its exit status: 0 done, 1 some inputs failed; wrong use is an InputError. Libraries are imported by the
function that needs them, so that ``ifgan --help`` is quick.
"""

from collections.abc import Callable

from ifgan.commands.data import check, prepare, synthesize
from ifgan.commands.measuring import audit, evaluate, figure, leakage, report
from ifgan.commands.reading import export, predict
from ifgan.commands.training import crossval, demo, study, train

COMMANDS: dict[str, Callable[..., int]] = {
    "demo": demo,
    "synthesize": synthesize,
    "prepare": prepare,
    "check": check,
    "train": train,
    "crossval": crossval,
    "study": study,
    "evaluate": evaluate,
    "report": report,
    "figure": figure,
    "audit": audit,
    "leakage": leakage,
    "predict": predict,
    "export": export,
}
