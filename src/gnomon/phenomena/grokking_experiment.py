"""A network that learns modular arithmetic, read while it learns: accuracies, and what moves beneath them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.estimators.groups.shares import default_leading, shares_of
from gnomon.lab.spec import Spec
from gnomon.lab.sweep import Outcome, experiment
from gnomon.organisms import Ensemble, ModularAddition, ModularMultiplication, ModularTransformer, train_together
from gnomon.organisms.organism import Organism
from gnomon.organisms.recipe import Recipe
from gnomon.organisms.together import alike
from gnomon.subjects import ArrayData, Subject

FITTED = 0.99
_SHORTER = 50
_READ = ("unseen_accuracy", "restricted_accuracy", "embedding_share", "weight_norm")
_Readings = dict[str, list[float]]


class ModularArithmetic(Spec):
    """A recipe, and how often its network is read.

    Parameters
    ----------
    recipe : the network, its task and its training; its ``kind`` says which.
    readings : how often is read what is not read at every step.
    """

    recipe: Annotated[ModularAddition | ModularMultiplication | ModularTransformer, Field(discriminator="kind")]
    readings: int = Field(default=40, ge=2)

    @property
    def steps(self) -> list[int]:
        """The steps at which the network is read: 0, and evenly in the logarithm from 1 to the last."""
        return sorted({0, *np.geomspace(1, self.recipe.steps, self.readings - 1).round().astype(int).tolist()})


def restricted_accuracy(outputs: Tensor, classes: Tensor) -> float:
    r"""Share of the answers c that the mean output over the pairs with :math:`a \circ b = c` has right.

    :math:`\bar f(c) = \mathrm{E}[f(a, b) \mid a \circ b = c]` is what is left of outputs ``(n, answers)`` when they are
    restricted to functions of the answer; counted are the c, of those that occur, with
    :math:`\arg\max_k \bar f_k(c) = c`. Of pairs that were never trained on it shows a rule that is still too faint to
    be seen in single ones.

    Source: after the restricted loss of Nanda et al., arXiv:2301.05217, section 5.2.

    >>> restricted_accuracy(torch.tensor([[1.0, 0.0], [0.0, 0.5], [0.2, 0.0]]), torch.tensor([0, 1, 1]))
    1.0
    """
    answers = outputs.shape[1]
    sums = torch.zeros(answers, answers, dtype=torch.float64)
    sums.index_add_(0, classes.cpu(), outputs.detach().cpu().double())
    present = torch.unique(classes.cpu())
    return float((sums[present].argmax(dim=1) == present).double().mean())


def embedding_share(subject: Subject) -> float:
    """How far the embedding keeps to few irreducible representations of the group; 0 to 1, see `IrrepSpectrum`.

    The share of the leading ones in the stream of a transformer, whose coordinates mean nothing by themselves; where
    each unit is squared by itself, the share of each unit's own leading one.
    """
    symmetry = subject.symmetry
    assert symmetry is not None
    values = {m.parameter: m.values.double().cpu().numpy() for m in subject.matrices()}
    of_elements = [values[w.parameter][:, list(w.indices)].T for w in symmetry.weights if w.side == "inputs"]
    shares = shares_of(symmetry.group, np.concatenate(of_elements, axis=1))
    if shares is None:
        return 0.0
    is_stream = "blocks.0.attention" in subject.sites
    return shares.leading(default_leading(symmetry.group)) if is_stream else shares.of_units


def together(specs: Sequence[ModularArithmetic]) -> list[Outcome | GnomonError]:
    """The outcomes of `modular_arithmetic`, whose networks are trained together; its error where one diverges."""
    recipes = [spec.recipe for spec in specs]
    unseen = [unseen_pairs(recipe) for recipe in recipes]
    watched = set(specs[0].steps)
    readings: list[_Readings] = [{name: [] for name in _READ} for _ in specs]

    def read(step: int, ensemble: Ensemble) -> None:
        if step not in watched:
            return
        for i, (recipe, pairs) in enumerate(zip(recipes, unseen, strict=True)):
            module = ensemble.module(i)
            if not all(bool(w.isfinite().all()) for w in module.parameters()):
                continue  # it has diverged, which `train_together` says
            with torch.no_grad():
                outputs, classes = module(pairs.inputs), _classes(pairs.targets)
            found = (
                float((outputs.argmax(dim=1) == classes).double().mean()),
                restricted_accuracy(outputs, classes),
                embedding_share(recipe.subject(module, pairs)),
                math.sqrt(sum(float(w.detach().double().square().sum()) for w in module.parameters())),
            )
            for name, value in zip(_READ, found, strict=True):
                readings[i][name].append(value)

    return [
        grown if isinstance(grown, GnomonError) else _outcome(spec, grown, values)
        for spec, grown, values in zip(specs, train_together(recipes, observe=read), readings, strict=True)
    ]


def _alike(spec: ModularArithmetic) -> Hashable:
    # transformers go one by one: rounding grows in their long training until they end elsewhere than alone, so that
    # outcomes would depend on the company; and together they are no faster
    company = spec.recipe.seed if isinstance(spec.recipe, ModularTransformer) else None
    return spec.readings, alike(spec.recipe), company


def _shortened(spec: ModularArithmetic) -> ModularArithmetic:
    """A fiftieth of the steps, and of the readings."""
    recipe = spec.recipe.changed({"steps": max(1, spec.recipe.steps // _SHORTER)})
    return spec.model_copy(update={"recipe": recipe, "readings": max(2, spec.readings // _SHORTER)})


@experiment("modular_arithmetic", together=together, alike=_alike, shortened=_shortened)
def modular_arithmetic(spec: ModularArithmetic) -> Outcome:
    """When the network of a recipe gets its training pairs right, when the others, and what moves in between.

    Returns
    -------
    Outcome : ``fitted`` and ``generalised``, the first steps with an accuracy of at least 0.99 on training and on
        held-out pairs, ``None`` where there is none; ``at_fit``, the accuracy on unseen pairs at the first of them,
        between readings interpolated; ``highest``, the highest on held-out pairs; and, at each of ``steps``,
        ``train_accuracy``, ``test_accuracy`` and, of the unseen pairs, ``unseen_accuracy`` and
        ``restricted_accuracy``, and of the weights ``embedding_share`` and ``weight_norm``.

    Raises
    ------
    GnomonError : when training diverges.
    """
    (found,) = together([spec])
    if isinstance(found, GnomonError):
        raise found
    return found


def unseen_pairs(recipe: Recipe) -> ArrayData:
    """The held-out pairs (a, b) of which (b, a) is held out too.

    A network that learns only that the order does not matter gets the others right as soon as it knows its training
    pairs by heart. Where there are none, all held-out pairs.
    """
    n, test = recipe.symbols, recipe.data()[1]
    a, b = np.divmod(recipe.pairs(test), n)
    unseen = ~np.isin(b * n + a, recipe.train_pairs())
    return test.take(np.flatnonzero(unseen)) if unseen.any() else test


def _outcome(spec: ModularArithmetic, grown: Organism, readings: _Readings) -> Outcome:
    history, steps = grown.history, spec.steps
    fitted = history.first_step("train", FITTED)
    return {
        "fitted": fitted,
        "generalised": history.first_step("test", FITTED),
        "at_fit": None if fitted is None else float(np.interp(fitted, steps, readings["unseen_accuracy"])),
        "highest": float(history.test_accuracy.max()),
        "steps": steps,
        "train_accuracy": history.train_accuracy[steps].tolist(),
        "test_accuracy": history.test_accuracy[steps].tolist(),
        **readings,
    }


def _classes(targets: Tensor | None) -> Tensor:
    assert targets is not None
    return targets
