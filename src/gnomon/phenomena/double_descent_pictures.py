"""Pictures of double descent: error against width, samples and steps, with the controls dashed."""

from __future__ import annotations

from collections.abc import Sequence

from gnomon.lab.sweep import Outcome
from gnomon.phenomena.bands import band_over_seeds
from gnomon.phenomena.picture import Curve, Picture, Rule

_BANDS = "Median over {n} seeds, bands from least to largest; controls dashed."


def ladder_picture(
    axis: str, sizes: Sequence[int], threshold: int, noisy: Sequence[Outcome], clean: Sequence[Outcome]
) -> Picture:
    """Test error along ``sizes``; ``threshold`` is where features and examples are as many."""
    return Picture(
        key=f"along_{axis}",
        title=f"Random features on digits: test error along {axis}",
        caption=_BANDS.format(n=len(noisy)),
        x="features" if axis == "width" else "training images",
        y="squared test error [of predicting zero]",
        curves=(
            _curve("least norm", sizes, noisy, "test_error"),
            _curve("no label noise", sizes, clean, "test_error", dashed=True),
            _curve("tuned ridge", sizes, noisy, "ridge", dashed=True),
            _curve("early stopping", sizes, noisy, "stopped", dashed=True),
        ),
        rules=(Rule(label="as many features as images", x=float(threshold)),),
        log_x=True,
        log_y=True,
    )


def epochs_picture(noisy: Sequence[Outcome], clean: Sequence[Outcome], stopped: Sequence[Outcome]) -> Picture:
    """Test error along the steps of training."""
    return Picture(
        key="along_epochs",
        title="A network on digits: test error along training",
        caption=_BANDS.format(n=len(noisy)),
        x="step",
        y="misclassified test images [share]",
        curves=(
            _steps("label noise", noisy, "test_error"),
            _steps("no label noise", clean, "test_error", dashed=True),
            _steps("early stopping", stopped, "test_error", dashed=True),
        ),
        log_x=True,
    )


def parts_picture(noisy: Sequence[Outcome]) -> Picture:
    """Training error beside test error, seed by seed."""
    parts = (("test", "test_error"), ("training, wrong labels included", "train_error"))
    return Picture(
        key="fitting_the_noise",
        title="The test error peaks while the last wrong labels are fitted",
        caption=f"With label noise, {len(noisy)} seeds.",
        x="step",
        y="misclassified images [share]",
        curves=tuple(
            Curve(name=f"{name}, seed {i}", x=found["steps"], y=found[key], group=name)
            for name, key in parts
            for i, found in enumerate(noisy)
        ),
        log_x=True,
    )


def _curve(name: str, x: Sequence[float], outcomes: Sequence[Outcome], key: str, *, dashed: bool = False) -> Curve:
    return band_over_seeds(name, x, [found[key] for found in outcomes], dashed=dashed)


def _steps(name: str, outcomes: Sequence[Outcome], key: str, *, dashed: bool = False) -> Curve:
    return _curve(name, outcomes[0]["steps"] if outcomes else (), outcomes, key, dashed=dashed)
