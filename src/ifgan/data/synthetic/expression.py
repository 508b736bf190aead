"""Expressions as action units (FACS): prototypes with their variants, intensities, and what they move.

Prototypes and major variants are those of the FACS Investigator's Guide (Ekman, Friesen & Hager 2002); the
optional units and their shares are those that Du, Tao & Martinez (PNAS 2014) saw in posed faces. Intensity
letters A to E become coefficients, and the four levels of a posed set scale one sample (§4.1, BU-3DFE).
Contempt is none of the manual's six: one corner of the mouth tightened and a little raised, as Ekman and Friesen
describe it (Motivation and Emotion 10(2), 1986, https://doi.org/10.1007/BF00992253).
"""

import re
from dataclasses import dataclass

import numpy as np

LEVELS = {1: 0.4, 2: 0.6, 3: 0.8, 4: 1.0}
LETTERS = {"A": (0.10, 0.20), "B": (0.20, 0.40), "C": (0.40, 0.65), "D": (0.65, 0.85), "E": (0.85, 1.00)}
_ANY_LETTER = {"C": 0.2, "D": 0.4, "E": 0.4}  # units without a letter: posing people overdo
_VARIANT_SHARE, ASYMMETRY = 0.25, 0.10

# A unit: number, letters it may have (none: any), L or R before it when one side alone moves. 26|27: one of them.
PROTOTYPES = {
    "anger": (
        "4+5+7+10+22+23+25|26", "4+5+7+10+23+25|26", "4+5+7+23+25|26",
        "4+5+7+17+23", "4+5+7+17+24", "4+5+7+23", "4+5+7+24",
    ),
    "disgust": ("9", "9+16+15|26", "9+17", "10", "10+16+25|26", "10+17"),
    "fear": ("1+2+4+5+20+25|26|27", "1+2+4+5+25|26|27"),
    "happiness": ("6+12",),
    "sadness": ("1+4+11+15B", "1+4+15", "6+15"),
    "surprise": ("1+2+5B+26", "1+2+5B+27"),
    "contempt": ("L14", "R14", "L12BC+L14", "R12BC+R14"),
}  # fmt: skip
VARIANTS = {
    "anger": ("4+7+10+23+25|26", "5+7+23+25|26", "4+5+17+24", "4+7+17+23", "4+5+23", "4+7+24"),
    "disgust": (),
    "fear": ("1+2+4+5+L20|R20+25|26|27", "1+2+4+5", "1+2+5DE+25|26|27", "5+20+25|26|27"),
    "happiness": ("12CD",),
    "sadness": ("1+4+11", "1+4+15B", "1+4+15B+17", "11+15B", "11+17"),
    "surprise": ("1+2+5B", "1+2+26", "1+2+27", "5B+26", "5B+27"),
    "contempt": (),
}
OPTIONAL = {
    "anger": {10: 0.26, 17: 0.52, 23: 0.29},
    "disgust": {4: 0.31, 24: 0.26},
    "fear": {20: 0.70, 2: 0.57, 5: 0.63, 26: 0.33},
    "happiness": {25: 0.70, 6: 0.51},
    "sadness": {1: 0.60, 6: 0.50, 11: 0.26, 17: 0.67},
    "surprise": {5: 0.66},
    "contempt": {},
}
_MOUTH_SHUT, _MOUTH_OPEN = {17, 23, 24}, {25, 26, 27}

# Unit -> face action -> its value at full intensity. Names ending in Left/Right move one side. Above 1 where the
# package's action at 1 is weaker than the unit at E (its brows move 5 mm); units without an action of their own
# (11, 23) are put together from others; mouthPress lifts the corners like a smile, which 24 does not, hence frown.
AU_ACTIONS: dict[int, dict[str, float]] = {
    1: {"browInnerUp": 2.2},
    2: {"browOuterUpLeft": 2.0, "browOuterUpRight": 2.0},
    4: {"browDownLeft": 1.4, "browDownRight": 1.4},
    5: {"eyeWideLeft": 1.6, "eyeWideRight": 1.6},
    6: {"cheekSquintLeft": 1.1, "cheekSquintRight": 1.1},
    7: {"eyeSquintLeft": 1.3, "eyeSquintRight": 1.3},
    9: {
        "noseSneerLeft": 2.2, "noseSneerRight": 2.2, "browDownLeft": 0.8, "browDownRight": 0.8,
        "eyeSquintLeft": 0.5, "eyeSquintRight": 0.5,
    },
    10: {"mouthUpperUpLeft": 2.2, "mouthUpperUpRight": 2.2, "noseSneerLeft": 0.9, "noseSneerRight": 0.9},
    11: {"mouthUpperUpLeft": 0.35, "mouthUpperUpRight": 0.35},
    12: {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    14: {"mouthDimpleLeft": 1.2, "mouthDimpleRight": 1.2},
    15: {"mouthFrownLeft": 1.4, "mouthFrownRight": 1.4},
    16: {"mouthLowerDownLeft": 1.3, "mouthLowerDownRight": 1.3},
    17: {"mouthShrugLower": 1.1, "mouthShrugUpper": 0.5},
    20: {"mouthStretchLeft": 1.8, "mouthStretchRight": 1.8, "mouthLowerDownLeft": 0.3, "mouthLowerDownRight": 0.3},
    22: {"mouthFunnel": 0.8},
    23: {
        "mouthRollUpper": 0.6, "mouthRollLower": 0.6, "mouthPucker": 0.3, "mouthFrownLeft": 0.2, "mouthFrownRight": 0.2,
    },
    24: {
        "mouthPressLeft": 0.4, "mouthPressRight": 0.4, "mouthRollUpper": 0.6, "mouthRollLower": 0.6,
        "mouthPucker": 0.2, "mouthFrownLeft": 0.4, "mouthFrownRight": 0.4,
    },
    25: {
        "mouthLowerDownLeft": 0.5, "mouthLowerDownRight": 0.5,
        "mouthUpperUpLeft": 0.4, "mouthUpperUpRight": 0.4, "jawOpen": 0.08,
    },
    26: {"jawOpen": 0.5},
    27: {"jawOpen": 0.9, "mouthFunnel": 0.1},
}  # fmt: skip


# FACS lists 1+4 as a combination that is no sum: the raised brow is drawn inwards more than down.
_BROW_DRAWN_IN = 0.85


@dataclass(frozen=True)
class Pose:
    """One drawn expression. ``units`` AU -> (left, right) intensity in [0, 1]; ``letters`` AU -> A..E;
    ``prototype`` the row it was drawn from."""

    expression: str
    prototype: str
    letters: dict[int, str]
    units: dict[int, tuple[float, float]]

    def at_level(self, level: int) -> "Pose":
        """The same sample scaled: level 1 to 4 is 0.4, 0.6, 0.8 and 1 times its intensities."""
        scale = LEVELS[level]
        scaled = {unit: (left * scale, right * scale) for unit, (left, right) in self.units.items()}
        letters = self.letters if scale == 1 else {unit: _letter_of(*sides) for unit, sides in scaled.items()}
        return Pose(self.expression, self.prototype, letters, scaled)

    def actions(self) -> dict[str, float]:
        """Face action -> value; linear in the intensities."""
        values: dict[str, float] = {}
        for unit, (left, right) in self.units.items():
            share = _BROW_DRAWN_IN if unit == 4 and 1 in self.units else 1.0
            for action, gain in AU_ACTIONS[unit].items():
                side = left if action.endswith("Left") else right if action.endswith("Right") else (left + right) / 2
                values[action] = values.get(action, 0.0) + share * gain * side
        return values


NEUTRAL = Pose("neutral", "", {}, {})


def parse_row(row: str, rng: np.random.Generator) -> list[tuple[str, int, str]]:
    """(side, unit, letters) of each unit of a prototype row; side is L, R or empty.

    Of alternatives such as ``25|26|27`` each is half as likely as the one before: posed mouths are seldom wide open.
    """
    units = []
    for choices in row.split("+"):
        alternatives = choices.split("|")
        shares = 0.5 ** np.arange(len(alternatives))
        choice = rng.choice(alternatives, p=shares / shares.sum())
        match = re.fullmatch(r"([LR]?)(\d+)([A-E]*)", choice)
        assert match is not None, choice  # rows are constants of this module
        units.append((match[1], int(match[2]), match[3]))
    return units


def draw_pose(expression: str, rng: np.random.Generator) -> Pose:
    """One sample of an expression at level 04: a prototype or variant, letters, asymmetry, an optional unit."""
    variants = VARIANTS[expression]
    rows = variants if variants and rng.random() < _VARIANT_SHARE else PROTOTYPES[expression]
    row = rows[rng.integers(len(rows))]
    parsed = parse_row(row, rng)
    parsed += _optional_unit(expression, {unit for _, unit, _ in parsed}, rng)
    letters = {unit: _draw_letter(allowed, rng) for _, unit, allowed in parsed}
    units = {unit: _intensities(letters[unit], side, rng) for side, unit, _ in parsed}
    return Pose(expression, row, letters, units)


def _optional_unit(expression: str, present: set[int], rng: np.random.Generator) -> list[tuple[str, int, str]]:
    """At most one more unit, with the share at which people add it; none that the mouth as it is contradicts."""
    taken = present | (_MOUTH_SHUT if present & _MOUTH_OPEN else set())
    taken |= _MOUTH_OPEN if present & (_MOUTH_OPEN | _MOUTH_SHUT) else set()
    possible = [item for item in OPTIONAL[expression].items() if item[0] not in taken]
    if not possible:
        return []
    unit, share = possible[rng.integers(len(possible))]
    return [("", unit, "")] if rng.random() < share else []


def _draw_letter(allowed: str, rng: np.random.Generator) -> str:
    if allowed:
        return allowed[rng.integers(len(allowed))]
    return str(rng.choice(list(_ANY_LETTER), p=list(_ANY_LETTER.values())))


def _letter_of(left: float, right: float) -> str:
    """The letter whose range holds the mean of both sides, or the one side that moves; A for less."""
    intensity = (left + right) / 2 if min(left, right) else max(left, right)
    return max((letter for letter, (low, _) in LETTERS.items() if low <= intensity), default="A")


def _intensities(letter: str, side: str, rng: np.random.Generator) -> tuple[float, float]:
    """Left and right intensity in [0, 1]: the sides differ from their mean by at most 10 %; a side alone has 0."""
    middle = rng.uniform(*LETTERS[letter])
    tilt = rng.uniform(-ASYMMETRY, ASYMMETRY)
    left, right = min(middle * (1 + tilt), 1.0), min(middle * (1 - tilt), 1.0)
    return (0.0 if side == "R" else float(left), 0.0 if side == "L" else float(right))
