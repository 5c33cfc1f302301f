"""What numbers look like to a user."""

import pytest

from flows import console

SPANS = {
    (1.2, 4.0): "1 to 4 s",
    (20.0, 300.0): "20 s to 5 min",
    (200.0, 500.0): "3 to 8 min",
    (5000.0, 9000.0): "1.4 to 2.5 h",
}


@pytest.mark.parametrize("span", SPANS)
def test_a_range_of_seconds(span: tuple[float, float]) -> None:
    assert console.span(*span) == SPANS[span]
