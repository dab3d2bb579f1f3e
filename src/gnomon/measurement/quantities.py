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
LOCAL_LEARNING_COEFFICIENT = Quantity(
    name="local_learning_coefficient",
    symbol=r"\hat\lambda",
    definition=(
        r"\hat\lambda(w^*) = n\beta\, \mathbb{E}_{p}[K(w)], \quad K(w) = L_n(w) - L_n(w^*) - \nabla L_n(w^*) \cdot "
        r"(w - w^*), \quad p(w) \propto e^{-n\beta K(w) - \frac{\gamma}{2} \|w - w^*\|^2}"
    ),
    convention=(
        "L_n is the mean loss of the n predictions at hand, in evaluation mode; the weights of all trainable "
        "parameters are w. The inverse temperature is nβ = n / log n and the localisation γ is √d over the mean square "
        "of the d weights, unless chosen otherwise: both are part of the definition, and so are the examples. At a "
        "critical point the slope of L_n is zero and this is the definition of Lau et al.; elsewhere it is taken off, "
        "so that what is read is the shape of the loss and not how far training has yet to go."
    ),
    source="Lau, Furman, Wang, Murfet & Wei, arXiv:2308.12108",
)
