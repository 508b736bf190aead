"""How the command line reads options and says what is wrong with them."""

import argparse
import difflib
import re
import sys
from typing import Any, NoReturn

import jsonargparse

from ifgan.errors import WRONG_USE


class Help(jsonargparse.DefaultHelpFormatter):
    """An option's own words and its default, without Python's types."""

    def _get_help_string(self, action: argparse.Action) -> str:
        plain = action.default is None or action.default in (False, [], argparse.SUPPRESS)
        return (action.help or "") + ("" if plain or not action.option_strings else " (default: %(default)s)")


class Parser(jsonargparse.ArgumentParser):
    """Wrong use is one sentence, without the list of all options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, formatter_class=Help, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the sentence and exit with status 2."""
        prog = (getattr(ex, "subcommand_parser", None) or self).prog.replace(" [options]", "")
        if missing := re.search(r"required: (\w+)\.", message):  # the whole parser speaks of a command's arguments
            prog = f"{prog} {missing[1]}"
        parser = getattr(ex, "subcommand_parser", None) or self
        hint = _did_you_mean(message, parser)
        print(f"{prog}: {_in_short(message)}{hint or '; see'} {prog} --help", file=sys.stderr)
        sys.exit(WRONG_USE)


def _did_you_mean(message: str, parser: jsonargparse.ArgumentParser) -> str:
    """For an option that isn't there, the nearest one, such as ``--optimizer.epochs`` for ``--epochs``."""
    unknown = re.search(r"arguments: --([\w.-]+)", message)
    if unknown is None:
        return ""
    asked = unknown[1].replace("_", "-")
    options = [name for action in parser._actions for name in action.option_strings if name.startswith("--")]
    same = [name for name in options if name.split(".")[-1].removeprefix("--") == asked]
    near = same or difflib.get_close_matches(f"--{asked}", options, 1)
    return f"; did you mean {near[0]}? See" if near else ""


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
