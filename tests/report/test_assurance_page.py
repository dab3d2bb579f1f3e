"""The page of a case: what it says, that it needs nothing from elsewhere, and that names stay names."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.assurance.case import Case
from gnomon.assurance.forecast import Ladder, Rung, crossing
from gnomon.report.assurance import write_page
from gnomon.report.contents import write_contents
from toy_rates import registered

sys.path.insert(0, str(Path(__file__).parents[1] / "assurance" / "case"))
from made_cases import made


@pytest.fixture(autouse=True)
def only_the_toy() -> Iterator[None]:
    with registered():
        yield


def page(case: Case, folder: Path) -> str:
    return write_page(case, folder).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "says"), [(0, "Within policy"), (60, "Threshold crossed"), ("insufficient", "Insufficient evidence")]
)
def test_the_verdict_is_the_first_thing_said(harm: int | str, says: str, tmp_path: Path) -> None:
    html = page(made(harm, 100 if harm == 0 else None), tmp_path)
    assert html.index(says) < html.index("Every row of the policy")
    assert re.search(r'<p class="lead">[^<]*Toy policy', html)
    assert ("◇" in html.split("<h2")[0]) == (harm == "insufficient")


@pytest.mark.slow
def test_every_leaf_has_its_command(tmp_path: Path) -> None:
    case = made(0, 100)
    html = page(case, tmp_path)
    assert html.count('<code class="command"') == len(list(case.evidence())) == 2


def test_the_page_needs_nothing_from_elsewhere_and_the_contents_lead_to_it(tmp_path: Path) -> None:
    html = page(made(60, "absent"), tmp_path / "case")
    assert "default-src 'none'" in html
    assert not re.search(r'(?:src|href)="(?!#|data:)', re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL))
    assert "It is seen that the deployment has no monitor." in html
    index = write_contents(tmp_path, "Release").read_text(encoding="utf-8")
    assert "case/case.html" in index
    assert "Assurance of" in index


def test_names_from_a_case_are_text_and_doubts_say_what_would_settle_them(tmp_path: Path) -> None:
    document = made("insufficient").to_json()
    document["subject"]["name"] = "<script>alert(1)</script>"
    document["decision"]["sentence"] = "<img src=x onerror=alert(1)>"
    html = page(Case.model_validate(document), tmp_path)
    assert "<script>alert(1)" not in html
    assert "<img src=x" not in html
    assert "59 examples would do" in html
    assert html.count('<code class="command"') == 1


@pytest.mark.slow
def test_forecasts_are_drawn_with_their_line(tmp_path: Path) -> None:
    rungs = [(10.0 ** (10 + i / 2), share) for i, share in enumerate((0.01, 0.03, 0.08, 0.18))]
    found = crossing(Ladder(rungs=tuple(Rung(compute=c, value=p, trials=2000.0) for c, p in rungs)), 0.5)
    told = {
        "threshold": "harm",
        "line": 0.5,
        "worse": "above",
        "crossing": found.measurement.to_json(),
        "horizon": found.horizon,
        "shape": found.shape,
        "curve": [list(found.grid), list(found.curve)],
        "rungs": [{"compute": c, "value": p, "low": p / 2, "high": p * 2, "status": "ok"} for c, p in rungs],
    }
    html = page(made(0).model_copy(update={"forecasts": (told,)}), tmp_path)
    assert "When harm is crossed" in html
    assert "When thresholds are forecast to be crossed" in html
    assert list((tmp_path / "figures").glob("forecast-*.svg"))
