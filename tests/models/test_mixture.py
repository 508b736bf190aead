"""The nearest mixture of average faces: exact, against another solver, and deaf to whatever is not a mixture."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from ifgan.errors import InputError
from ifgan.models.mixture import Mixture
from ifgan.models.torch_engine import TorchEngine
from ifgan.predict import Recognizer
from tiny_model import tiny_trained

SIDE = 8


@pytest.fixture(params=[2, 3, 6, 8])
def mixture(request: pytest.FixtureRequest) -> Mixture:
    made = Mixture(request.param, SIDE)
    rng = torch.Generator().manual_seed(request.param)
    made.averages.copy_(torch.rand(request.param, 3, SIDE, SIDE, generator=rng) - 0.5)
    return made


def some_faces(count: int = 40) -> torch.Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(99)) * 2 - 1


def test_a_mixture_is_itself(mixture: Mixture):
    shares = torch.distributions.Dirichlet(torch.full((len(mixture.averages),), 0.4)).sample((20,))
    mixed = torch.einsum("bn,nchw->bchw", shares, mixture.averages)
    torch.testing.assert_close(mixture.shares(mixed), shares, atol=1e-5, rtol=0)
    torch.testing.assert_close(mixture(mixed), mixed, atol=1e-5, rtol=0)
    torch.testing.assert_close(mixture.shares(mixture.averages), torch.eye(len(mixture.averages)), atol=1e-5, rtol=0)


def test_it_is_the_nearest_one(mixture: Mixture):
    """Against non-negative least squares, with the sum to 1 as a very heavy equation."""
    palette, heavy = mixture.averages.flatten(1).double().numpy(), 1e4
    matrix = np.vstack([palette.T, np.full((1, len(palette)), heavy)])
    faces = some_faces()
    expected = [nnls(matrix, np.append(face.numpy(), heavy))[0] for face in faces.flatten(1).double()]
    np.testing.assert_allclose(mixture.shares(faces).numpy(), expected, atol=1e-4)


def test_what_is_no_mixture_is_lost(mixture: Mixture):
    """A difference at right angles to the averages changes nothing: that is where a person would hide."""
    faces = some_faces(4)
    basis = torch.linalg.qr((mixture.averages - mixture.averages.mean(0)).flatten(1).T.double())[0]
    hidden = torch.randn(4, 3 * SIDE * SIDE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hidden = (hidden - hidden @ basis @ basis.T).view_as(faces).float()
    torch.testing.assert_close(mixture(faces + hidden), mixture(faces), atol=1e-4, rtol=0)
    assert (hidden.abs() > 0.5).any()


def test_two_averages_alike_are_no_trouble():
    mixture = Mixture(3, SIDE)
    mixture.averages.copy_(some_faces(3))
    mixture.averages[2] = mixture.averages[1]
    shares = mixture.shares(some_faces(10))
    torch.testing.assert_close(shares.sum(1), torch.ones(10))
    assert shares.min() >= 0


def test_without_average_faces_there_is_nothing_to_mix():
    with pytest.raises(InputError, match="holds no average faces"):
        Mixture(6, SIDE)(some_faces())


def test_a_recognizer_hands_out_mixtures_on_request():
    trained = tiny_trained(redraw="mixture")
    mixture = trained.system.mixture
    assert mixture is not None
    mixture.averages.copy_(torch.rand(mixture.averages.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    crop = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    (mixed,) = Recognizer(TorchEngine(trained), aligned=True)(crop)
    again = mixture(to_tensor(mixed.average_face))
    assert (again - to_tensor(mixed.average_face)).abs().max() < 3 / 127.5  # a mixture up to 8 bits
    trained.system.redraw = "free"
    (free,) = Recognizer(TorchEngine(trained), aligned=True)(crop)
    assert (to_tensor(free.average_face) - to_tensor(mixed.average_face)).abs().max() > 0.1
    assert free == mixed  # E reads what G drew, so nothing else changes


def to_tensor(picture: object) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)[None] / 127.5 - 1
