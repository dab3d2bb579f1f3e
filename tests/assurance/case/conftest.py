"""The toy evaluation takes the place of all others in the tests of cases."""

from collections.abc import Iterator

import pytest

from toy_rates import registered


@pytest.fixture(autouse=True)
def only_the_toy() -> Iterator[None]:
    with registered():
        yield
