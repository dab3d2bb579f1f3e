"""In a plain loop with dropout and shuffled data, training takes the same course with and without an observer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gnomon.errors import GnomonError
from gnomon.estimators import Budget, Estimator, KnownAnswer, estimators
from gnomon.estimators.curvature.hessian_spectrum import HessianSpectrum
from gnomon.lab.observer import Every, LossBelow, LossPlateau, Observer, undisturbed, unwrapped
from gnomon.measurement import Cost, Measurement, Quantity
from gnomon.randomness import Rng
from gnomon.subjects import ArrayData, CrossEntropy, Data, Subject

SPECTRUM = HessianSpectrum(steps=24, probes=1)
NEEDS = ["nll", "frobenius_norm", "participation_ratio", "agop_effective_dimension", SPECTRUM]


def examples(n: int = 48) -> ArrayData:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(n, 6)).astype(np.float32)
    return ArrayData(inputs, (inputs[:, 0] > 0).astype(np.int64))


class Network(nn.Module):
    """Dropout, and statistics of batches: both depend on the mode and on what is run."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.Tanh(), nn.Dropout(0.3), nn.Linear(12, 2))

    def forward(self, inputs: Tensor) -> Tensor:
        out = self.body(inputs)
        assert isinstance(out, Tensor)
        return out


def train(
    observe: Callable[..., None] | None,
    *,
    steps: int = 12,
    between: bool = False,
    prepare: Callable[[nn.Module], nn.Module] = lambda m: m,
    amp: bool = False,
) -> tuple[dict[str, Tensor], list[float]]:
    """Weights and losses of a run that uses torch's, NumPy's and Python's global random states."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    network = Network()
    subject = Subject(network, loss=CrossEntropy(), data=examples())
    called = prepare(network)
    data = examples()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(data.inputs, data.targets), batch_size=8, shuffle=True
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses: list[float] = []
    step = 0
    while step < steps:
        for inputs, targets in loader:
            if observe is not None and not between:
                observe(step, subject, loss=losses[-1] if losses else None, learning_rate=0.01)
            noisy = inputs + float(np.random.normal()) * random.random()  # noqa: NPY002
            with torch.autocast("cpu", torch.bfloat16, enabled=amp):
                loss = nn.functional.cross_entropy(called(noisy), targets)
                if observe is not None and between:  # the graph of the loss is alive, and so are old gradients
                    observe(step, subject, loss=loss, learning_rate=0.01)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
            step += 1
            if step == steps:
                break
    return {n: t.clone() for n, t in network.state_dict().items()}, losses


def same(a: tuple[dict[str, Tensor], list[float]], b: tuple[dict[str, Tensor], list[float]]) -> bool:
    return a[1] == b[1] and all(torch.equal(a[0][n], b[0][n]) for n in a[0])


def watching(quantities: Sequence[object] = NEEDS, **changes: object) -> Observer:
    values: dict = {"schedule": Every(3), "data": {"all": examples()}, "overhead": None} | changes
    return Observer(quantities, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("between", [False, True], ids=["after the step", "between forward and backward"])
@pytest.mark.parametrize("amp", [False, True], ids=["float32", "autocast"])
def test_the_weights_are_the_same_to_the_bit(between: bool, amp: bool) -> None:
    observer = watching()
    assert same(train(None, amp=amp), train(observer, between=between, amp=amp))
    read = {m.quantity for m in observer.measurements if m.status == "ok"}
    assert {"nll", "frobenius_norm", "participation_ratio", "hessian_top_eigenvalue"} <= read
    assert not [m for m in observer.measurements if m.status == "failed"]


def test_what_is_measured_inside_autocast_is_in_full_precision() -> None:
    inside, outside = watching(["nll"], schedule=[0]), watching(["nll"], schedule=[0])
    subject = Subject(Network(), loss=CrossEntropy(), data=examples())
    with torch.autocast("cpu", torch.bfloat16), torch.inference_mode():
        inside(0, subject)
    outside(0, subject)
    assert inside.measurements[0].value == outside.measurements[0].value


def test_compiled_training_goes_on_as_it_was_and_is_not_compiled_anew() -> None:
    compiled = 0

    def backend(graph: torch.fx.GraphModule, _inputs: list[Tensor]) -> Callable[..., object]:
        nonlocal compiled
        compiled += 1
        return graph.forward

    def prepare(network: nn.Module) -> nn.Module:
        torch._dynamo.reset()
        out = torch.compile(network, backend=backend)
        assert unwrapped(out) is network
        return out

    bare = train(None, prepare=prepare)
    once, compiled = compiled, 0
    observer = watching()
    assert same(bare, train(observer, prepare=prepare))
    assert compiled == once > 0
    assert not [m for m in observer.measurements if m.status == "failed"]

    def in_place(network: nn.Module) -> nn.Module:
        torch._dynamo.reset()
        network.compile(backend=backend)
        return network

    again = watching()
    assert same(bare, train(again, prepare=in_place))
    plain = watching()
    train(plain)
    assert [m.value for m in again.measurements if m.quantity == "nll"] == [
        m.value for m in plain.measurements if m.quantity == "nll"
    ]


class Vandal(Estimator):
    """Breaks every promise but that of not writing to the weights, then fails."""

    name = "vandal_in_test"
    quantities = (Quantity(name="vandal_in_test", symbol="v", definition="v", source="this test"),)
    needs = frozenset({"predictions"})

    def __init__(self, error: type[BaseException] = RuntimeError) -> None:
        self.error = error

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        raise self.error("no price")

    def measure(
        self, subject: Subject, data: Data | None, *, sites: Sequence[str], budget: Budget, rng: Rng
    ) -> list[Measurement]:
        torch.manual_seed(7)
        np.random.seed(7)  # noqa: NPY002
        random.seed(7)
        subject.module.eval()
        assert data is not None
        subject.output(data.batch([0, 1])).sum().backward()
        for parameter in subject.module.parameters():
            parameter.requires_grad_(False)
        raise self.error("it broke")

    @classmethod
    def known_answers(cls) -> tuple[KnownAnswer, ...]:
        return ()


class Price(Vandal):
    """As `Vandal`, with a price."""

    def cost(self, subject: Subject, data: Data | None, sites: Sequence[str], budget: Budget) -> Cost:
        return Cost()


def test_an_estimator_that_breaks_its_promises_does_not_change_the_course() -> None:
    observer = watching([Price(), "frobenius_norm"])
    assert same(train(None), train(observer))
    broken = [m for m in observer.measurements if m.estimator == "vandal_in_test"]
    assert {(m.status, m.reason) for m in broken} == {("failed", "RuntimeError: it broke")}
    assert any(m.status == "ok" for m in observer.measurements)
    unpriced = watching([Vandal(), "frobenius_norm"])
    assert same(train(None), train(unpriced))
    assert {m.reason for m in unpriced.measurements if m.status == "failed"} == {"RuntimeError: it broke"}


def test_ctrl_c_ends_the_loop_with_what_is_finished_and_the_network_as_it_was() -> None:
    torch.manual_seed(0)
    network = Network()
    subject = Subject(network, loss=CrossEntropy(), data=examples())
    network(examples().inputs).sum().backward()
    state = torch.get_rng_state(), random.getstate()
    gradients = [p.grad for p in network.parameters()]
    copies = [g.clone() for g in gradients if g is not None]
    observer = watching(["frobenius_norm", Price(KeyboardInterrupt)])
    with pytest.raises(KeyboardInterrupt):
        observer(0, subject)
    assert {m.quantity for m in observer.measurements} == {"frobenius_norm"}
    assert torch.equal(torch.get_rng_state(), state[0])
    assert random.getstate() == state[1]
    assert all(p.grad is g for p, g in zip(network.parameters(), gradients, strict=True))
    assert all(torch.equal(g, c) for g, c in zip(gradients, copies, strict=True) if g is not None)
    assert all(p.requires_grad for p in network.parameters())
    assert all(m.training for m in network.modules())


def test_an_estimator_that_cannot_be_made_later_leaves_a_reason() -> None:
    rates: list[float | None] = []

    def moody(learning_rate: float) -> HessianSpectrum:
        rates.append(learning_rate)
        if len(rates) > 3:
            raise ValueError("not in the mood")
        return HessianSpectrum(steps=2, probes=1, learning_rate=learning_rate)

    observer = watching([moody], schedule=[0, 1])
    train(observer, steps=2)
    assert rates[0] is None
    assert set(rates[1:]) <= {0.01, None}
    last = [m for m in observer.measurements if m.labels["step"] == "1"]
    assert {(m.status, m.reason) for m in last} == {("failed", "ValueError: not in the mood")}
    assert {m.quantity for m in last} == {q.name for q in HessianSpectrum.quantities}


def test_a_network_that_diverges_is_measured_no_more_but_trained_on() -> None:
    observer = watching(["nll", "frobenius_norm"], schedule=[0, 1])
    network = Network()
    subject = Subject(network, loss=CrossEntropy(), data=examples())
    observer(0, subject)
    with torch.no_grad():
        network.body[0].weight.fill_(torch.nan)
    observer(1, subject, loss=float("nan"))
    last = {m.quantity: m for m in observer.measurements if m.labels["step"] == "1"}
    assert last["nll"].status == "failed"
    assert "NaN" in last["nll"].reason


def test_the_learning_rate_reaches_what_has_room_for_it() -> None:
    observer = watching(["sharpness_ratio", "hessian_top_eigenvalue"], schedule=[0])
    train(observer, steps=1)
    found = {m.quantity: m for m in observer.measurements}
    assert set(found) == {"sharpness_ratio", "hessian_top_eigenvalue"}
    top, ratio = (found[n].value or found[n].diagnostics["estimate"] for n in sorted(found))
    assert ratio == pytest.approx(0.005 * top)
    fixed = watching([HessianSpectrum(steps=4, learning_rate=1.0)], schedule=[0])
    train(fixed, steps=1)
    assert next(m for m in fixed.measurements if m.quantity == "sharpness_ratio").provenance is not None


def test_an_estimator_that_is_given_stands_in_for_its_namesake() -> None:
    given = HessianSpectrum(steps=3, probes=1)
    observer = watching([given, "hessian_top_eigenvalue"], schedule=[0])
    train(observer, steps=1)
    assert {m.diagnostics["steps"] for m in observer.measurements if m.status == "ok"} == {3}
    assert len(observer.measurements) == 4
    with pytest.raises(GnomonError, match="two estimators are called 'hessian_spectrum'"):
        watching([given, HessianSpectrum])
    with pytest.raises(GnomonError, match="makes no estimator but Network"):
        watching([Network])


def test_events_fire_at_their_step_and_label_their_measurements() -> None:
    observer = watching(["nll"], schedule=[0, 6], events=[LossBelow(0.5), LossPlateau(window=32)])
    subject = Subject(Network(), loss=CrossEntropy(), data=examples())
    losses = [1.0 - 0.09 * s if s < 8 else 0.28 for s in range(80)]
    for step, loss in enumerate(losses):
        observer(step, subject, loss=torch.tensor(loss, requires_grad=True) if step % 2 else loss)
    assert observer.happened == [(6, "loss below 0.5"), (63, "loss plateau")]
    assert [(m.labels["step"], m.labels.get("event")) for m in observer.measurements] == [
        ("0", None),
        ("6", "loss below 0.5"),
        ("63", "loss plateau"),
    ]


def test_a_step_that_is_told_twice_is_observed_once() -> None:
    observer = watching(["nll"], schedule=[0, 1], events=[LossBelow(0.5)])
    subject = Subject(Network(), loss=CrossEntropy(), data=examples())
    for step, loss in [(0, None), (0, 0.9), (1, None), (1, 0.1), (2, None), (2, 0.05)]:
        observer(step, subject, loss=loss)
    assert [m.labels["step"] for m in observer.measurements] == ["0", "1"]
    assert observer.happened == [(1, "loss below 0.5")]


def test_training_that_ends_early_is_observed_at_its_end() -> None:
    subject = Subject(Network(), loss=CrossEntropy(), data=examples())
    for schedule, expected in [((0, 50), ["0", "7"]), ((0, 5), ["0", "5"]), (Every(4), ["0", "4", "7"])]:
        observer = watching(["nll"], schedule=schedule)
        for step in range(8):
            observer(step, subject)
        observer.finish(7, subject)
        assert [m.labels["step"] for m in observer.measurements] == expected


def test_what_is_left_out_of_a_budget_says_so() -> None:
    observer = watching(["nll", HessianSpectrum(steps=400)], schedule=[0], budget=Budget(seconds=1e-3))
    train(observer, steps=1)
    found = [m for m in observer.measurements if m.quantity == "hessian_top_eigenvalue"]
    assert [m.status for m in found] == ["insufficient"]
    assert "budget" in found[0].reason


def test_nothing_to_wait_for_is_refused() -> None:
    for schedule in ((), range(0)):
        with pytest.raises(GnomonError, match="there is nothing to observe"):
            watching(["nll"], schedule=schedule)
    with pytest.raises(GnomonError, match=r"nothing can be observed in 0\.0 of the time"):
        watching(["nll"], overhead=0.0)


def test_undisturbed_leaves_no_trace_of_what_is_set_inside() -> None:
    network = Network()
    network.body[1].eval()
    network.body[0].bias.requires_grad_(False)
    modes = [m.training for m in network.modules()]
    with torch.inference_mode(), undisturbed(network):
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        network.eval().requires_grad_(True)
    assert [m.training for m in network.modules()] == modes
    assert [p.requires_grad for p in network.parameters()][:2] == [True, False]


@pytest.mark.slow
def test_no_estimator_of_ours_changes_the_course() -> None:
    names = list(estimators())
    observer = watching(names, schedule=[0, 5])
    assert same(train(None), train(observer))
    assert {m.estimator for m in observer.measurements} == set(names)
