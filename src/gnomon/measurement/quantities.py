"""Quantities that an estimator measures and a theory predicts: both take the definition from here."""

from __future__ import annotations

from gnomon.measurement.quantity import Quantity

ACCURACY = Quantity(
    name="accuracy",
    symbol=r"\mathrm{acc}",
    definition=r"\mathrm{acc} = \Pr\bigl[\arg\max_k f_k(x) = y\bigr]",
    convention="Share of predictions (tokens or examples) whose highest score is the target's; ties go to the first.",
    source="Clopper & Pearson, Biometrika 26 (1934) 404 (interval)",
    invariances=("logit_shift", "example_permutation"),
    lowest=0.0,
    highest=1.0,
)
LEARNING_COEFFICIENT = Quantity(
    name="learning_coefficient",
    symbol=r"\lambda",
    definition=r"\lambda = \lim_{\tau \to \infty} \tau\, \mathbb{E}_{p_\tau}[K(w)], \quad p_\tau(w) \propto "
    r"e^{-\tau K(w) - \frac{\gamma}{2} \|w - w^*\|^2}",
    convention=(
        "K is as for the local learning coefficient: the mean loss of the examples at hand above that at the "
        "parameters, without its slope there. The limit does not depend on γ. It is the real log canonical threshold "
        "of K at w*, half the number of parameters for a regular model."
    ),
    source="Watanabe, Algebraic Geometry and Statistical Learning Theory (2009)",
)
