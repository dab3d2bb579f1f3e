"""Formulas are typeset as well-formed MathML; what cannot be read is shown as its source; nothing is markup."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import specimen
from hypothesis import given
from hypothesis import strategies as st

from gnomon.report.mathml import definition, mathml, prose

CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "munder": 2, "mover": 2, "msubsup": 3, "munderover": 3, "mroot": 2}


def checked(markup: str) -> ElementTree.Element:
    """The tree of ``markup``; every element has as many children as MathML asks."""
    tree = ElementTree.fromstring(f"<root>{markup}</root>")
    for element in tree.iter():
        if element.tag in CHILDREN:
            assert len(element) == CHILDREN[element.tag], markup
    return tree


def letters(markup: str) -> str:
    tree = checked(markup)
    for semantics in tree.iter("semantics"):
        semantics.remove(semantics[1])
    return "".join(tree.itertext()).replace(" ", "")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"d_\mathrm{PR} = \frac{(\operatorname{tr}\Sigma)^2}{\operatorname{tr}\Sigma^2}", "dPR=(trΣ)2trΣ2"),
        (r"\frac12 x + \frac d{10} \binom dk \arcsin t", "12x+d10(dk)arcsint"),
        (r"-\frac{1}{N}\sum_{i=1}^{N} \log p_\theta(x_i \mid x_{<i})", "−1N∑i=1Nlogpθ(xi∣x<i)"),
        (r"\left\lVert W \right\rVert_F^{2}", "‖W‖F2"),
        (r"\Bigl(\sum_b \pi_b\, g_b^2\Bigr)^{1/2}", "(∑bπbgb2)1/2"),
        (r"\arg\max_k p_k", "argmaxkpk"),
        (r"\hat\lambda_{\mathbf x} \in \mathbb{R}^{64}", "λ^𝐱∈ℝ64"),
        (r"\sqrt[3]{x} \le \sqrt{y}", "x3≤y"),
        (r"f''(x) \ne 50\%", "f′′(x)≠50%"),
        (r"\text{share of } X^\top X", "share\xa0of\xa0X⊤X"),
        (r"\theta \leftarrow \theta", "θ←θ"),
        (r"x = \begin{cases}a^2 & a > 1\\ \text{else}\end{cases} + y", "x={a2a>1else+y"),
    ],
)
def test_typesets(source: str, text: str) -> None:
    assert letters(mathml(source)) == text


def test_big_operators_carry_limits_and_letters_carry_indices() -> None:
    assert "<munderover>" in mathml(r"\sum_{i=1}^n")
    assert "<munder>" in mathml(r"\max_k x")
    assert "<msubsup>" in mathml(r"x_i^2")
    assert "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>" in mathml(r"\frac12 x")


def test_the_source_goes_along() -> None:
    tree = checked(mathml(r"\alpha < \beta"))
    assert next(tree.iter("annotation")).text == r"\alpha < \beta"


@pytest.mark.parametrize(
    "source", [r"\unknown{x}", "{", "}", "x^", r"\frac{a}", r"\left( x", "{" * 5000, r"\begin{array} 1 \end{array}"]
)
def test_what_cannot_be_read_is_shown_as_it_is(source: str) -> None:
    assert checked(mathml(source)).find("code").text == source  # type: ignore[union-attr]


@given(st.text(alphabet=st.sampled_from(list("\\{}^_$<>&'\"abxfrc 12[]()|`:")), max_size=60))
def test_nothing_breaks_it_and_nothing_is_markup(source: str) -> None:
    allowed = {"root", "math", "semantics", "annotation", "code", *CHILDREN}
    allowed |= {"mrow", "mi", "mn", "mo", "mtext", "mspace", "msqrt"}
    for markup in (mathml(source), prose(source), definition(source)):
        assert {element.tag for element in checked(markup).iter()} <= allowed


def test_prose_keeps_its_words() -> None:
    assert letters(prose("with :math:`x^2` rows & ``code``, $y$ <b>")) == "withx2rows&code,y<b>"


def test_definitions_are_displayed() -> None:
    assert 'display="block"' in definition("x^2")
    assert "display" not in definition("the square $x^2$")
    for quantity in specimen.QUANTITIES.values():
        checked(definition(quantity.definition))
