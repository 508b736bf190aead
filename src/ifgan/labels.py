"""The one order of expressions, and the synonyms that other people's files use for them.

Order: the six basic expressions of the paper (§4.1), then neutral and contempt. Every array of
probabilities, every confusion matrix and every checkpoint uses a subset of it, in this order.
"""

import re

EXPRESSIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")
BASIC = EXPRESSIONS[:6]  # what the posed sets are evaluated on (§4.1)

_SYNONYMS = {
    "anger": "angry an ang enraged",
    "disgust": "disgusted di dis",
    "fear": "fearful afraid scared fe fea af",
    "happiness": "happy joy joyful ha hap smile smiling",
    "sadness": "sad sa",
    "surprise": "surprised su sur",
    "neutral": "ne neu normal",
    "contempt": "contemptuous co con",
}
_CANONICAL = {name: name for name in EXPRESSIONS} | {
    synonym: name for name, words in _SYNONYMS.items() for synonym in words.split()
}


def canonical(word: str) -> str:
    """The canonical expression name for a usual synonym: ``"Happy"`` -> ``"happiness"``.

    Raises ValueError that names the word when it is no known expression.
    """
    key = re.sub(r"[^a-z]", "", word.lower())
    if key not in _CANONICAL:
        raise ValueError(f"unknown expression {word!r}; expected one of {', '.join(EXPRESSIONS)} or a usual synonym")
    return _CANONICAL[key]


def in_order(names: set[str] | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """The given canonical names, without repeats, in the canonical order."""
    return tuple(name for name in EXPRESSIONS if name in set(names))
