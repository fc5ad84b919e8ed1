"""What all tests share. The user's wisdom is left alone, so that speeds measured under tests are not kept."""

import os

os.environ.setdefault("CLCONV_WISDOM", "off")

import numpy as np
import pytest


@pytest.fixture
def rng(request):
    """Random numbers; the seed follows from the test's name, so that a failure comes again."""
    return np.random.default_rng(sum(map(ord, request.node.name)))
