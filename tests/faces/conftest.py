"""The real detector, loaded once."""

import pytest

from ifgan.faces.detect import FaceDetector


@pytest.fixture(scope="session")
def detector() -> FaceDetector:
    return FaceDetector()
