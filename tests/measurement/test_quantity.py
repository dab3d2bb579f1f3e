from __future__ import annotations

import json

import pytest

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.measurement import Catalogue, Measurement, Quantity, Uncertainty, Unit

LOSS = Quantity(name="loss", symbol="L", definition="-\\log p", source="Shannon 1948", unit=Unit.parse("nat/token"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Loss"}, "snake_case"),
        ({"name": "a b"}, "snake_case"),
        ({"source": " "}, "no source"),
        ({"definition": ""}, "no definition"),
        ({"symbol": ""}, "no symbol"),
        ({"lowest": 1.0, "highest": 1.0}, "empty range"),
    ],
)
def test_a_quantity_states_what_defines_it(change: dict[str, object], message: str) -> None:
    stated: dict[str, object] = {"name": "loss", "symbol": "L", "definition": "x", "source": "y", **change}
    with pytest.raises(GnomonError, match=message):
        Quantity(**stated)  # type: ignore[arg-type]


def test_its_definition_is_json() -> None:
    assert json.loads(json.dumps(LOSS.to_json()))["unit"] == "nat/token"


def test_a_value_outside_the_range_is_refused() -> None:
    share = Quantity(name="share", symbol="p", definition="k/n", source="Laplace 1774", lowest=0.0, highest=1.0)
    Measurement.ok(share, 1.0, Uncertainty.exact())
    with pytest.raises(GnomonError, match="outside"):
        Measurement.ok(share, 1.0000001, Uncertainty.exact())


def test_a_value_has_the_quantitys_axes() -> None:
    with pytest.raises(GnomonError, match="axes"):
        Measurement.ok(LOSS, [1.0], Uncertainty.exact())


def test_a_name_has_one_definition() -> None:
    book = Catalogue()
    book.add(LOSS)
    assert book.add(LOSS) is LOSS
    other = Quantity(name="loss", symbol="L", definition="another", source="Shannon 1948")
    with pytest.raises(GnomonError, match="already defined"):
        book.add(other)
    assert book["loss"] == LOSS
    assert list(book) == ["loss"]


def test_an_unknown_name_lists_the_nearest() -> None:
    book = Catalogue()
    book.add(LOSS)
    with pytest.raises(UnknownNameError, match="did you mean 'loss'"):
        book["los"]
    assert "los" not in book
