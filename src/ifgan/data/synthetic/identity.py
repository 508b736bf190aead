"""Who a synthetic subject is: age, gender, ethnicity, head shape and colours, drawn from the seed and the number.

Subject number k is the same person whatever else is made. Ethnicity codes are BU-3DFE's; each sets how the
package's three ancestry shapes are mixed and from which range the skin's tone comes (ranges overlap).
"""

from dataclasses import dataclass

import numpy as np

from ifgan.data.synthetic.mesh import Head
from ifgan.data.synthetic.texture import Paint, linear
from ifgan.seeds import numpy_rng

# code: share of subjects, (african, asian, caucasian) mix, skin tone range (0 light .. 1 dark)
ETHNICITIES = {
    "WH": (0.34, (0.05, 0.05, 0.90), (0.00, 0.38)),
    "AE": (0.20, (0.03, 0.90, 0.07), (0.08, 0.42)),
    "BL": (0.16, (0.90, 0.05, 0.05), (0.55, 1.00)),
    "IN": (0.10, (0.20, 0.22, 0.58), (0.40, 0.78)),
    "LA": (0.10, (0.15, 0.32, 0.53), (0.22, 0.58)),
    "AM": (0.10, (0.12, 0.10, 0.78), (0.18, 0.50)),
}
_TONES = linear([(241, 206, 184), (222, 174, 146), (188, 134, 102), (138, 92, 68), (92, 62, 49)])
_HAIR = linear([(24, 20, 19), (44, 31, 25), (78, 54, 38), (125, 92, 60), (176, 140, 92), (112, 52, 30)])
_IRIS = linear([(70, 44, 28), (96, 64, 38), (112, 98, 60), (94, 118, 98), (96, 128, 156), (120, 134, 142)])

# Shapes that differ between people, per folder of the package: pairs end in the two words of a line's tuple.
_OPPOSITES = (("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("compress", "uncompress"),
              ("concave", "convex"))  # fmt: skip
_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "chin", "cheek", "ears", "neck")
_LEFT_OUT = {  # whole-head shifts, bodies of other ages, and shapes that break the lids or the neck
    "head-trans", "head-angle", "head-age", "head-back", "mouth-trans-in", "nose-trans-in", "neck-trans",
    "neck-back", "neck-scale", "measure-neck", "eyefold-concave", "eye-push",
}  # fmt: skip
_SPREAD = {"head": 0.20, "eyes": 0.22, "mouth": 0.20, "eyebrows": 0.16, "neck": 0.15, "ears": 0.3}
_SPREAD_ELSE = 0.25
_HEAD_FORMS = ("diamond", "invertedtriangular", "oval", "rectangular", "round", "square", "triangular")


@dataclass(frozen=True)
class Identity:
    """One subject. ``age`` years; ``gender`` female or male; ``shapes`` target name -> weight; ``ethnicity`` a code;
    ``tone`` 0 light .. 1 dark."""

    subject: str
    age: int
    gender: str
    ethnicity: str
    tone: float
    shapes: dict[str, float]
    paint: Paint


def subject_name(number: int) -> str:
    """Subject number from 0 -> F0001, M0001, F0002, M0002, ..."""
    return f"{'FM'[number % 2]}{number // 2 + 1:04d}"


def draw_identity(seed: int, number: int, head: Head) -> Identity:
    """Subject ``number`` (from 0) of a seed."""
    rng = numpy_rng("synthetic identity", seed, number)
    codes, shares = list(ETHNICITIES), [row[0] for row in ETHNICITIES.values()]
    ethnicity = str(rng.choice(codes, p=shares))
    age = int(np.clip(rng.gamma(2.2, 9.0) + 18, 18, 70))
    gender = ("female", "male")[number % 2]
    tone = float(rng.uniform(*ETHNICITIES[ethnicity][2]))
    shapes = _body_shapes(age, gender, ETHNICITIES[ethnicity][1], rng) | _local_shapes(head, rng)
    return Identity(
        subject_name(number), age, gender, ethnicity, tone, shapes, _paint(age, gender, ethnicity, tone, rng)
    )


def _body_shapes(age: int, gender: str, mix: tuple[float, float, float], rng: np.random.Generator) -> dict[str, float]:
    """Weights of the package's global shapes: gender x age x muscle x weight, and ancestry x gender x age."""
    female = rng.beta(6, 1.5) if gender == "female" else rng.beta(1.5, 6)
    old = max(age - 25, 0) / 65  # the package's "young" is 25 and its "old" 90
    ancestry = rng.dirichlet(np.array(mix) * 12 + 0.1)
    genders, ages = {"female": female, "male": 1 - female}, {"young": 1 - old, "old": old}
    muscles, weights = _thirds("muscle", rng.uniform(0.3, 0.8)), _thirds("weight", rng.uniform(0.2, 0.85))
    shapes = {
        f"macrodetails/universal-{g}-{a}-{m}-{w}": wg * wa * wm * ww
        for g, wg in genders.items() for a, wa in ages.items()
        for m, wm in muscles.items() for w, ww in weights.items()
    } | {
        f"macrodetails/{race}-{g}-{a}": share * wg * wa
        for race, share in zip(("african", "asian", "caucasian"), ancestry, strict=True)
        for g, wg in genders.items() for a, wa in ages.items()
    }  # fmt: skip
    return {name: float(weight) for name, weight in shapes.items() if weight > 0}


def _thirds(what: str, value: float) -> dict[str, float]:
    """Linear interpolation between min, average and max of one trait in [0, 1]."""
    low, high = max(1 - 2 * value, 0.0), max(2 * value - 1, 0.0)
    return {f"min{what}": low, f"average{what}": 1 - low - high, f"max{what}": high}


def local_pairs(head: Head) -> list[tuple[str, str]]:
    """(negative, positive) target names of the head's local shapes, sorted; left ones stand for both sides."""
    pairs = []
    for folder in _FOLDERS:
        names = {
            path.name.removesuffix(".target.gz") for path in (head.data / "mpfb2" / "targets" / folder).glob("*.gz")
        }
        for low, high in _OPPOSITES:
            for name in sorted(names):
                stem = name.removesuffix(f"-{high}")
                usable = name.endswith(f"-{high}") and f"{stem}-{low}" in names and not name.startswith("r-")
                if usable and not any(word in f"{stem}-{low}" for word in _LEFT_OUT):
                    pairs.append((f"{folder}/{stem}-{low}", f"{folder}/{name}"))
    return pairs


def _local_shapes(head: Head, rng: np.random.Generator) -> dict[str, float]:
    shapes = {}
    for low, high in local_pairs(head):
        value = float(np.clip(rng.normal(0, _SPREAD.get(low.split("/")[0], _SPREAD_ELSE)), -0.9, 0.9))
        for side in ("l-", "r-") if "/l-" in low else ("",):
            own = float(np.clip(value + rng.normal(0, 0.06), -1, 1)) if side else value
            name = (high if own > 0 else low).replace("/l-", f"/{side}")
            shapes[name] = abs(own)
    form = _HEAD_FORMS[rng.integers(len(_HEAD_FORMS))]
    shapes[f"head/head-{form}"] = float(rng.uniform(0, 0.5))
    return shapes


def _paint(age: int, gender: str, ethnicity: str, tone: float, rng: np.random.Generator) -> Paint:
    skin = _along(_TONES, tone) * rng.normal(1, [0.03, 0.03, 0.05])
    dark = ethnicity != "WH"
    hair = _HAIR[rng.choice(len(_HAIR), p=[0.6, 0.3, 0.1, 0, 0, 0] if dark else [0.1, 0.2, 0.28, 0.2, 0.14, 0.08])]
    grey = np.clip((age - 42) / 30, 0, 0.9) * rng.random()
    hair = hair * (1 - grey) + 0.32 * grey
    iris = _IRIS[
        rng.choice(len(_IRIS), p=[0.65, 0.28, 0.07, 0, 0, 0] if dark else [0.15, 0.17, 0.14, 0.14, 0.25, 0.15])
    ]
    made_up = gender == "female" and rng.random() < 0.35
    lips = skin * [0.86, 0.52, 0.52] if not made_up else skin * 0.3 + linear((170, 40, 60)) * rng.uniform(0.4, 0.7)
    male = gender == "male"
    return Paint(
        skin=_triple(skin), lips=_triple(lips), iris=_triple(iris * rng.uniform(0.8, 1.2)),
        brow=_triple(hair * 0.7), hair=_triple(hair), shirt=_triple(rng.uniform(0.02, 0.6, 3) * rng.uniform(0.3, 1)),
        lashes=float(rng.uniform(0.5, 1) if made_up else rng.uniform(0.0, 0.35)),
        brow_thickness_dm=float(rng.uniform(0.05, 0.085) if male else rng.uniform(0.034, 0.062)),
        brow_density=float(rng.uniform(0.7, 1.05)), brow_arch_dm=float(rng.uniform(0.02, 0.10)),
        blush=float(rng.uniform(0.2, 1.0)), freckles=float(rng.random() ** 3 * (tone < 0.4)),
        stubble=float(rng.choice([0, rng.uniform(0.1, 0.5), rng.uniform(0.6, 1)], p=[0.4, 0.4, 0.2]) if male else 0),
        teeth_yellow=float(rng.random()), sclera_red=float(rng.random()), skin_gloss=float(rng.uniform(0.08, 0.4)),
        hair_thickness_dm=float(rng.uniform(0.03, 0.12) if male else rng.uniform(0.10, 0.30)),
        hairline=_hairline(age, male, rng),
    )  # fmt: skip


def _hairline(age: int, male: bool, rng: np.random.Generator) -> float:
    """How far the hairline has gone back, in dm above its usual place; large for a bald head."""
    if male and rng.random() < 0.12:
        return 2.0
    return float(rng.normal(0, 0.06) + (male * max(age - 30, 0) / 40 * rng.uniform(0, 0.35)))


def _along(stops: np.ndarray, place: float) -> np.ndarray:
    return np.stack([np.interp(place, np.linspace(0, 1, len(stops)), stops[:, i]) for i in range(3)])


def _triple(colour: np.ndarray) -> tuple[float, float, float]:
    red, green, blue = np.clip(colour, 0.005, 1).tolist()
    return red, green, blue
