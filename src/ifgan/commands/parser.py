"""How the command line reads options and says what is wrong with them."""

import argparse
import re
import sys
from typing import Any, NoReturn

import jsonargparse

from ifgan.commands.status import WRONG_USE


class Help(jsonargparse.DefaultHelpFormatter):
    """An option's own words and its default, without Python's types."""

    def _get_help_string(self, action: argparse.Action) -> str:
        plain = action.default is None or action.default in (False, [], argparse.SUPPRESS)
        return (action.help or "") + ("" if plain or not action.option_strings else " (default: %(default)s)")


class Parser(jsonargparse.ArgumentParser):
    """Wrong use is one sentence, without the list of all options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, formatter_class=Help, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the sentence and exit with status 2."""
        prog = (getattr(ex, "subcommand_parser", None) or self).prog.replace(" [options]", "")
        if missing := re.search(r"required: (\w+)\.", message):  # the whole parser speaks of a command's arguments
            prog = f"{prog} {missing[1]}"
        print(f"{prog}: {_in_short(message)}; see {prog} --help", file=sys.stderr)
        sys.exit(WRONG_USE)


def _in_short(message: str) -> str:
    """``Parser key "epochs":\\n  Expected a <class 'int'>. Got value: ten`` -> ``epochs: expected int, got ten``."""
    text = " ".join(message.split())
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    text = re.sub(r"required: (.+)", lambda found: "required: " + re.sub(r"\b\w+\.(?=\w)", "", found[1]), text)
    text = re.sub(r'^Parser key "([^"]+)":', r"\1:", text)
    union = r"Does not validate against any of the Union subtypes Subtypes: \[(.+?), NoneType\].* Given value: (.*)$"
    text = re.sub(union, r"expected \1 or null, got \2", text)
    text = re.sub(r"Expected an? (.+?)\. Got value: (.*)$", r"expected \1, got \2", text)
    return re.sub(r"typing\.Literal\[([^\]]+)\]", r"one of \1", text).removesuffix(".")
