"""Readings upon an event belong to the same curve as those of the schedule."""

from gnomon.measurement import Measurement, Quantity, Uncertainty
from gnomon.report.figures.history import along_training

LOSS = Quantity(name="loss_in_test", symbol="L", definition="L", source="this test")


def test_a_reading_upon_an_event_is_on_the_curve_of_its_split() -> None:
    labels = [
        {"step": "0", "split": "test"},
        {"step": "7", "split": "test", "event": "loss plateau"},
        {"step": "10", "split": "test"},
    ]
    readings = [Measurement.ok(LOSS, 1.0, Uncertainty.exact(), labels=each) for each in labels]
    spec = str(along_training(readings, title="Loss", reads="").spec)
    assert spec.count("'series': 'test'") == 3
    assert "loss plateau" not in spec
