"""Schedules know what is due, what is left, and where they end."""

from __future__ import annotations

import pytest

from gnomon.errors import GnomonError
from gnomon.lab.observer import Every
from gnomon.lab.observer.schedules import Timetable


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [((0, 3, 9), None), ((9, 0, 3, 3), 9), ((0, 3, 9), 5), (range(0, 20, 4), 18), (Every(4), 18), (Every(6), 18)],
)
def test_what_is_left_is_what_will_be_due(schedule: object, steps: int | None) -> None:
    timetable = Timetable(schedule, steps)  # type: ignore[arg-type]
    last = 40 if steps is None else steps
    for step in range(last + 1):
        assert timetable.left(step) == sum(timetable.due(s) for s in range(step, last + 1))


class Odd:
    """A schedule that only knows what it contains."""

    def __contains__(self, step: object) -> bool:
        return isinstance(step, int) and step % 2 == 1


def test_a_schedule_without_end_ends_with_the_run() -> None:
    endless = Timetable(Every(10), None)
    assert (endless.horizon, endless.left(5), endless.goes_on(1000)) == (None, None, True)
    ending = Timetable(Every(10), 25)
    assert [s for s in range(26) if ending.due(s)] == [0, 10, 20, 25]
    odd = Timetable(Odd(), 6)
    assert [s for s in range(7) if odd.due(s)] == [1, 3, 5, 6]
    assert odd.left(2) == 3


def test_a_list_of_steps_ends_where_it_ends() -> None:
    listed = Timetable((0, 5, 20), None)
    assert (listed.horizon, listed.goes_on(20), listed.goes_on(21)) == (20, True, False)
    assert Timetable((0, 5, 20), 100).horizon == 100
    assert Timetable((), None).left(0) == 0


def test_no_period_is_refused() -> None:
    with pytest.raises(GnomonError, match="no schedule of every 0 steps"):
        Every(0)
