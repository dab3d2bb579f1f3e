"""How the report speaks about the quantities it knows; those it does not know get words made from their names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """Title of a quantity, the theme it belongs to, and one sentence on how to read it."""

    title: str
    theme: str
    reads: str = ""


@dataclass(frozen=True)
class Theme:
    """A section of the report."""

    key: str
    title: str
    lead: str


THEMES = (
    Theme(
        "predictions", "Predictions", "How well the network predicts its data, and whether its confidence is earned."
    ),
    Theme(
        "information",
        "What the context tells",
        "How much of what comes next the network knows, from how much of what came before, and where inside it stands.",
    ),
    Theme(
        "geometry",
        "Geometry of the representations",
        "The shape of the cloud of activations at each site, from the input on the left to the output on the right.",
    ),
    Theme(
        "features",
        "What the predictions rest on",
        "The directions in activation space that a chosen output responds to, on average and in each single context.",
    ),
    Theme(
        "weights",
        "Weights",
        "The spectrum of every weight matrix, against what a matrix of independent entries would show.",
    ),
    Theme(
        "landscape",
        "The loss around the weights",
        "How steep and how curved the loss is where training stopped, and whether it stopped at a minimum.",
    ),
    Theme(
        "symmetry",
        "Symmetry",
        "What the network has made of the group that its inputs are elements of: which waves it uses, where its "
        "activations turn from the operands to their composition, and how well its output moves along.",
    ),
    Theme(
        "tangent",
        "The tangent kernel",
        "What a small step of training would do to the predictions: along how many directions, towards the labels or "
        "not, and how far that has changed since initialisation.",
    ),
    Theme("further", "Further quantities", "Measured by instruments that this report has no words of its own for."),
)

_WORDS = {
    "nll": Words("Negative log-likelihood", "predictions", "Mean surprise at what comes next; lower is better."),
    "perplexity": Words(
        "Perplexity", "predictions", "As uncertain as a fair choice between this many equally likely outcomes."
    ),
    "accuracy": Words("Accuracy", "predictions", "Share of predictions whose most likely guess is right."),
    "predictive_entropy": Words(
        "Predictive entropy", "predictions", "How uncertain the network itself says it is; above the loss it is humble."
    ),
    "calibration_error": Words(
        "Calibration error",
        "predictions",
        "How far stated probabilities lie from observed frequencies, as a root mean square.",
    ),
    "squared_error": Words("Squared error", "predictions", "Mean squared distance from the target; lower is better."),
    "conditional_entropy": Words(
        "Conditional entropy",
        "information",
        "Loss when exactly so many tokens are shown; where it still falls, the network still learns from more of them.",
    ),
    "ngram_cross_entropy": Words(
        "n-grams counted on the data",
        "information",
        "Loss of back-off n-grams with so many tokens of context, counted on the other texts.",
    ),
    "beyond_ngrams_context": Words(
        "Context beyond n-grams",
        "information",
        "From so many tokens on, the network predicts better than any n-gram counted on the same data.",
    ),
    "entropy_decay_exponent": Words(
        "Decay of the conditional entropy", "information", "Exponent of the power law in the context, where one fits."
    ),
    "loss_by_position": Words(
        "Loss by position",
        "information",
        "Loss after so many tokens of a text: context and place in the text together.",
    ),
    "in_context_learning_score": Words(
        "In-context learning score",
        "information",
        "Loss of late tokens less that of early ones of the same text; negative where the network learns as it reads.",
    ),
    "prequential_code_length": Words(
        "Prequential code length",
        "information",
        "Nats to send a label to somebody who has the site and learns to read it on the way; lower is easier to read.",
    ),
    "code_length_saved": Words(
        "Code length saved", "information", "What the site saves of that, against the frequencies of the labels alone."
    ),
    "participation_ratio": Words(
        "Participation ratio", "geometry", "How many directions share the variance of the activations evenly."
    ),
    "activation_effective_rank": Words(
        "Effective rank of activations", "geometry", "Exponential of the entropy of the shares of variance."
    ),
    "top_variance_share": Words(
        "Share of the first direction", "geometry", "Share of the variance that lies along a single direction."
    ),
    "twonn_dimension": Words(
        "TwoNN dimension", "geometry", "Intrinsic dimension at the scale of the two nearest rows."
    ),
    "mle_dimension": Words("Maximum-likelihood dimension", "geometry", "Intrinsic dimension from k nearest rows."),
    "gride_dimension": Words(
        "GRIDE dimension", "geometry", "Intrinsic dimension at a scale that noise does not reach."
    ),
    "gride_curve": Words(
        "GRIDE scale curve",
        "geometry",
        "Intrinsic dimension against the order of the neighbours, from the finest scale on the left.",
    ),
    "cka": Words(
        "Centred kernel alignment",
        "geometry",
        "How alike two sites represent the same rows: 1 is equal up to rotation and scale, 0 is unrelated.",
    ),
    "activation_norm": Words("Activation norm", "geometry", "Typical length of an activation."),
    "anisotropy": Words(
        "Anisotropy", "geometry", "Mean cosine between activations: 0 points everywhere, 1 points one way."
    ),
    "activation_kurtosis": Words(
        "Kurtosis over features",
        "geometry",
        "Near 3 the features share the activation alike; far above, a few massive ones carry it.",
    ),
    "agop_spectrum": Words(
        "AGOP spectrum",
        "features",
        "Mean squared response of the output along each principal direction of its gradient.",
    ),
    "agop_effective_dimension": Words(
        "AGOP effective dimension", "features", "How many directions the output responds to, on average over contexts."
    ),
    "agop_directions": Words(
        "AGOP directions", "features", "The directions in activation space that the output responds to most."
    ),
    "local_relevant_dimension": Words(
        "Local relevant dimension",
        "features",
        "How many directions a single prediction depends on, context by context.",
    ),
    "nfa_correlation": Words(
        "Neural feature alignment", "features", "Correlation of a layer's WᵀW with its average gradient outer product."
    ),
    "frobenius_norm": Words("Frobenius norm", "weights", "Root of the sum of all squared entries."),
    "spectral_norm": Words("Spectral norm", "weights", "The largest factor by which the matrix stretches a vector."),
    "stable_rank": Words(
        "Stable rank", "weights", "Squared Frobenius over squared spectral norm: directions of weight."
    ),
    "effective_rank": Words("Effective rank", "weights", "Exponential of the entropy of the singular values."),
    "mp_bulk_scale": Words("Marchenko–Pastur bulk scale", "weights", "Size of the noise-like part of the entries."),
    "spikes": Words("Spikes beyond the bulk", "weights", "Singular values that independent entries would not produce."),
    "tail_exponent": Words(
        "Tail exponent", "weights", "Exponent of a power-law tail, where the evidence supports one."
    ),
    "criticality": Words(
        "Kind of critical point",
        "landscape",
        "1: a local minimum. −1: a saddle. 0: merely where training stopped, for the gradient is not zero.",
    ),
    "gradient_norm": Words(
        "Norm of the gradient",
        "landscape",
        "Of the loss over all that could be drawn: the sample's noise is taken off.",
    ),
    "hessian_top_eigenvalue": Words(
        "Sharpness", "landscape", "Curvature of the loss along its most curved direction: the top of its Hessian."
    ),
    "sharpness_ratio": Words(
        "Sharpness over 2/η", "landscape", "Above 1, plain gradient descent at this learning rate is unstable."
    ),
    "hessian_bottom_eigenvalue": Words(
        "Most negative curvature", "landscape", "Below zero there is a direction in which the loss curves down."
    ),
    "hessian_trace": Words("Trace of the Hessian", "landscape", "The sum of all curvatures."),
    "gauss_newton_trace": Words(
        "Trace of the Gauss–Newton matrix",
        "landscape",
        "The part of the trace that the predictions' own uncertainty makes: of the Fisher information, for a softmax.",
    ),
    "hessian_spectral_density": Words(
        "Spectral density of the Hessian",
        "landscape",
        "Share of directions at each curvature, smoothed: a spike of flat ones at zero and tails of curved ones.",
    ),
    "local_learning_coefficient": Words(
        "Local learning coefficient",
        "landscape",
        "How many directions the loss around the weights can feel, a half each, at a stated temperature.",
    ),
    "learning_coefficient": Words(
        "Learning coefficient", "landscape", "The same at no temperature: half the parameters, if none is degenerate."
    ),
    "irrep_power": Words(
        "Irrep power of weights",
        "symmetry",
        "Share of each irreducible representation (for a cyclic group: of each frequency) in what the weights do; "
        "level where they know nothing of the group.",
    ),
    "leading_irrep_share": Words(
        "Leading irreps of weights", "symmetry", "Share of the few largest; compare with elements in random order."
    ),
    "irreps_for_70_percent": Words("Irreps for 70 %", "symmetry", "How many of the largest hold 70 % of the power."),
    "leading_irrep_p_value": Words(
        "p-value of the leading irreps", "symmetry", "How often elements in random order lead by as much."
    ),
    "unit_irrep_share": Words(
        "One irrep a unit, weights", "symmetry", "Near 1 where every unit keeps to one irrep, whichever that is."
    ),
    "unit_irrep_p_value": Words(
        "p-value of one irrep a unit", "symmetry", "How often elements in random order keep to one as much."
    ),
    "activation_element_share": Words(
        "Variance by operand and composition",
        "symmetry",
        "Share of the activations' variance that depends on one operand alone, or on the composition alone.",
    ),
    "activation_irrep_power": Words(
        "Irrep power of activations", "symmetry", "As for weights, of the mean activation for each element."
    ),
    "activation_leading_irrep_share": Words(
        "Leading irreps of activations", "symmetry", "Share of the few largest in the mean activations."
    ),
    "activation_unit_irrep_share": Words(
        "One irrep a unit, activations", "symmetry", "Near 1 where every unit keeps to one irrep."
    ),
    "equivariance_error": Words(
        "Equivariance error", "symmetry", "0 where the output moves along with the input; √2 where it is unrelated."
    ),
    "ntk_spectrum": Words(
        "Tangent kernel spectrum", "tangent", "How fast each direction of the predictions is learned, fastest first."
    ),
    "ntk_effective_rank": Words(
        "Tangent kernel effective rank", "tangent", "How many directions of the predictions are learned alike."
    ),
    "ntk_alignment": Words(
        "Tangent kernel alignment", "tangent", "Whether predictions with equal labels learn from one another; 1 is all."
    ),
    "ntk_smallest_eigenvalue": Words(
        "Smallest tangent eigenvalue", "tangent", "Above 0, gradient descent can fit any labels of these predictions."
    ),
    "ntk_relative_change": Words(
        "Tangent kernel change", "tangent", "Change since initialisation: far below 1 learning was lazy, else rich."
    ),
    "ntk_distance": Words(
        "Tangent kernel distance", "tangent", "Change since initialisation that is not mere growth: 0 is none."
    ),
}

INTRINSIC_DIMENSIONS = ("twonn_dimension", "mle_dimension", "gride_dimension")

# Where an estimator leaves the positions of its values along their axis, other than under the name of the axis.
POSITIONS = {"gride_curve": "orders"}

# Curves that are drawn into the chart of another quantity, where that is measured too.
BESIDE = {"ngram_cross_entropy": "conditional_entropy"}

_ACRONYMS = {"nll": "NLL", "cka": "CKA", "agop": "AGOP", "ntk": "NTK", "mle": "MLE", "nfa": "NFA", "mp": "MP"}


def words(quantity: str) -> Words:
    """The words for ``quantity``.

    >>> words("agop_mystery").title, words("agop_mystery").theme
    ('AGOP mystery', 'further')
    """
    if quantity in _WORDS:
        return _WORDS[quantity]
    spoken = " ".join(_ACRONYMS.get(word, word) for word in quantity.split("_"))
    return Words(spoken[:1].upper() + spoken[1:], "further")


def rank(quantity: str) -> tuple[int, str]:
    """Sort key: the order above, then the alphabet."""
    known = list(_WORDS)
    return (known.index(quantity) if quantity in _WORDS else len(known)), quantity
