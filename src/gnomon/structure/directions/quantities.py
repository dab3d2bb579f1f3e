"""What is measured of the directions of a concept."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

DETECTION_AUROC = catalogue.add(
    Quantity(
        name="detection_auroc",
        symbol=r"A",
        definition=r"A = \Pr[s_+ > s_-] + \frac{1}{2} \Pr[s_+ = s_-]",
        convention="s is the coordinate along the leading direction, or a quadratic function of the leading few; of an "
        "example that nothing was fitted to or chosen by (pairs within a fold are compared), or of a test set. Graded "
        "concepts are split at their median. The site is one, or chosen by nested cross-validation, or all are "
        "weighed.",
        source="Hanley & McNeil, Radiology 143 (1982) 29",
        dims=("site", "method", "sites", "on"),
        lowest=0.0,
        highest=1.0,
    )
)
DIRECTION_COSINE = catalogue.add(
    Quantity(
        name="direction_cosine",
        symbol=r"\cos\theta",
        definition=r"\cos\theta = \langle \hat b, b \rangle, \quad \|\hat b\| = \|b\| = 1",
        convention="Of the leading direction found to the one that endless examples of the same kind would give by the "
        "same method.",
        source="Davis & Kahan, SIAM J. Numer. Anal. 7 (1970) 1 (the angle of an estimated direction)",
        dims=("site", "method"),
        lowest=-1.0,
        highest=1.0,
    )
)
SPLIT_HALF_COSINE = catalogue.add(
    Quantity(
        name="split_half_cosine",
        symbol=r"\cos\theta_{1/2}",
        definition=r"\cos\theta_{1/2} = \langle \hat b_1, \hat b_2 \rangle, \quad \|\hat b_1\| = \|\hat b_2\| = 1",
        convention="Of the leading directions found in two halves of the examples, clusters whole; the mean over "
        "splits.",
        source="Spearman, British J. Psychology 3 (1910) 271 (split halves)",
        dims=("site", "method"),
        lowest=-1.0,
        highest=1.0,
    )
)
SEED_COSINE = catalogue.add(
    Quantity(
        name="seed_cosine",
        symbol=r"\cos\theta_s",
        definition=r"\cos\theta_s = |\langle \hat b_1, \hat b_2 \rangle|, \quad \|\hat b_1\| = \|\hat b_2\| = 1",
        convention="Of the leading directions that the same examples give with other draws of the method's own; the "
        "mean over pairs of draws. Exactly 1 for a method that draws nothing.",
        source="Yu & Kumbier, PNAS 117 (2020) 3920, arXiv:1901.08152 (stability to what an analysis happens to draw)",
        dims=("site", "method"),
        lowest=0.0,
        highest=1.0,
    )
)
DIRECTION_RANK = catalogue.add(
    Quantity(
        name="direction_rank",
        symbol=r"r",
        definition=r"r = \min\{k : y \perp x \mid B^\top x, B \in \mathbb{R}^{d \times k}\}",
        convention="The columns of B are the k leading directions of the method. Directions are tested in turn by "
        "permutation, each at 5 in 100; the p-values are diagnostics.",
        source="Freedman & Lane, J. Business & Economic Statistics 1 (1983) 292",
        unit=Unit.parse("dimension"),
        dims=("site", "method"),
        lowest=0.0,
    )
)
EXAMPLES_NEEDED = catalogue.add(
    Quantity(
        name="examples_needed",
        symbol=r"n_\theta",
        definition=r"n_\theta = c / \tan^2\theta, \quad \tan^2\theta(n) = c / n",
        convention="Examples in all, of the same kind and in clusters of the same size, for which the cosine of the "
        "leading direction is the one stated.",
        source="Paul, Statistica Sinica 17 (2007) 1617 (angles of estimated directions fall as one over the root of n)",
        unit=Unit.parse("example"),
        dims=("site", "method", "cosine"),
        lowest=0.0,
    )
)
