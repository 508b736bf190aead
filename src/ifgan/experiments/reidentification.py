"""Who is it? Closed-set re-identification of people from vectors, by a linear probe and by the nearest neighbour.

A probe learns people from images of all groups but one (expressions, mostly) and is asked about that one; every
group is asked about once. So it has to know the person: a pose that it has seen does not help. The paper (§4.5)
shows faces for this and no number.
"""

from collections.abc import Callable

import numpy as np

from ifgan.errors import InputError

# (train, F), (train,), (test, F) -> (test,) whom or what each test vector shows
Probe = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
_VARIANCE = 0.999  # what the linear probe's components keep


def linear_probe(train: np.ndarray, names: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Multinomial logistic regression on the whitened principal components of standardised vectors: small differences
    weigh as much as large ones, so that what no eye sees is used too.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    if len(set(names)) == 1 or not np.ptp(train, axis=0).any():  # one answer, or all vectors the same: nothing to learn
        return np.full(len(test), names[0])
    scaler = StandardScaler()
    seen, asked = whitened(scaler.fit_transform(train.astype(np.float64)), scaler.transform(test.astype(np.float64)))
    return LogisticRegression(max_iter=2000).fit(seen, names).predict(asked)


def whitened(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, F) and (M, F) -> (N, K) and (M, K): the principal components of ``train`` that hold 99.9 % of its variance,
    each of variance 1 there. Found from the N x N inner products (kernel PCA with the linear kernel, Schölkopf et al.
    1998, https://doi.org/10.1162/089976698300017467): pixels are tens of thousands, images hundreds.
    """
    from sklearn.decomposition import KernelPCA

    components = KernelPCA(kernel="linear", eigen_solver="dense").fit(train)
    variances = components.eigenvalues_  # times N - 1, in falling order
    shares = np.cumsum(variances) / variances.sum()
    kept = int(np.searchsorted(shares, _VARIANCE, side="right")) + 1  # as scikit-learn's PCA counts them
    scale = np.sqrt((len(train) - 1) / variances[:kept])
    return components.transform(train)[:, :kept] * scale, components.transform(test)[:, :kept] * scale


def nearest_neighbour(train: np.ndarray, names: np.ndarray, test: np.ndarray) -> np.ndarray:
    """The name of the training vector with the smallest angle to it, seen from the training vectors' mean."""
    from sklearn.neighbors import KNeighborsClassifier

    mean = train.mean(axis=0)
    return KNeighborsClassifier(1, metric="cosine").fit(train - mean, names).predict(test - mean)


PROBES: dict[str, Probe] = {"linear probe": linear_probe, "nearest neighbour": nearest_neighbour}


def reidentified(vectors: np.ndarray, people: np.ndarray, groups: np.ndarray, probe: Probe) -> np.ndarray:
    """(M,) bool: whether each image's person was named right by a probe that saw the other groups only.

    vectors: (M, F); people: (M,) ids; groups: (M,) names. Raises InputError for a single person, a single group, and
    for a person whom the probe is asked about and who is missing from its training part.
    """
    if len(set(people)) < 2:
        raise InputError(f"re-identification needs at least two people; found {len(set(people))}")
    if len(set(groups)) < 2:
        raise InputError("re-identification needs images of each person in at least two groups; found one group")
    right = np.zeros(len(people), bool)
    for group in sorted(set(groups)):
        asked = groups == group
        if untrained := sorted(set(people[asked]) - set(people[~asked])):
            raise InputError(f"subject {untrained[0]} has images of {group} only: the probe can't have learnt it")
        right[asked] = probe(vectors[~asked], people[~asked], vectors[asked]) == people[asked]
    return right


def read_from(vectors: np.ndarray, expressions: np.ndarray, people: np.ndarray, folds: int = 5) -> np.ndarray:
    """(M,) bool: whether a linear probe that saw other people only reads each image's expression right.

    How much of the expression the same vectors still hold. Raises InputError for a single person.
    """
    ids = sorted(set(people))
    if len(ids) < 2:
        raise InputError(f"reading expressions of unseen people needs at least two people; found {len(ids)}")
    fold_of = {person: index % min(folds, len(ids)) for index, person in enumerate(ids)}
    fold = np.array([fold_of[person] for person in people])
    right = np.zeros(len(people), bool)
    for number in sorted(set(fold_of.values())):
        asked = fold == number
        right[asked] = linear_probe(vectors[~asked], expressions[~asked], vectors[asked]) == expressions[asked]
    return right
