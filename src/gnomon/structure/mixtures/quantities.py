"""What is measured about a mixture of subspaces."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

_SOURCE = "gnomon; mixtures of subspaces: Tipping & Bishop, Neural Computation 11 (1999) 443"
_DIMENSION = Unit.parse("dimension")

NUMBER_OF_STRANDS = catalogue.add(
    Quantity(
        name="number_of_strands",
        symbol="k",
        definition=r"k = \max \lbrace k : s(k) \ge 0.8 \rbrace",
        convention=(
            "s(k) is the prediction strength of a mixture of k subspaces between halves of the contexts, of which the "
            "median over splits counts. 1 where no mixture is likelier than one subspace or one covariance; 0 where "
            "not even one subspace is likelier than uniform directions (by half of log n for each parameter)."
        ),
        source="prediction strength: Tibshirani & Walther, J. Comput. Graph. Statist. 14 (2005) 511",
        dims=("site",),
        lowest=0.0,
    )
)
STRAND_DIMENSIONS = catalogue.add(
    Quantity(
        name="strand_dimensions",
        symbol="r_s",
        unit=_DIMENSION,
        definition=(r"r_s = \arg\max_r -\frac{m}{2} (r \ln a_r + (d - r) \ln b_r) - \frac{1}{2} r (d - r) \ln m"),
        convention=(
            "a and b are the means of the r largest and of the other eigenvalues of the strand's weighted second "
            "moment of m gradients. Strands in order of their share of contexts."
        ),
        source=_SOURCE,
        dims=("site",),
        axes=("strand",),
        lowest=0.0,
    )
)
STRAND_SHARES = catalogue.add(
    Quantity(
        name="strand_shares",
        symbol=r"\pi_s",
        definition=r"\pi_s = \mathbb{E}_i\, p_{is}",
        convention="Mean over contexts of the probability of each strand; the rest belongs to the background.",
        source=_SOURCE,
        dims=("site",),
        axes=("strand",),
        lowest=0.0,
        highest=1.0,
    )
)
OUTSIDE_SHARE = catalogue.add(
    Quantity(
        name="gradient_share_outside_strand",
        symbol="e",
        definition=r"e = \mathbb{E}_i \sum_s p_{is} \lVert G_i (1 - P_s) \rVert_F^2",
        convention="Gradients have Frobenius norm 1; what belongs to the background counts as outside, whole.",
        source=_SOURCE,
        dims=("site",),
        lowest=0.0,
        highest=1.0,
    )
)
STRAND_EVIDENCE = catalogue.add(
    Quantity(
        name="strand_evidence",
        symbol=r"\Delta \ell",
        unit=Unit.parse("nat/example"),
        definition=r"\Delta \ell = \mathbb{E}_i \ln \frac{f_k(G_i)}{\max(f_0(G_i), f_1(G_i))}",
        convention=(
            "On contexts that were not fitted. f_k is the mixture of k strands; of the nulls, one covariance f_0 and "
            "one subspace f_1, the one that is likelier on average. For k = 1 the null is uniform directions."
        ),
        source="gnomon; angular central Gaussian: Tyler, Biometrika 74 (1987) 579",
        dims=("site",),
    )
)
STRAND_ANGLES = catalogue.add(
    Quantity(
        name="strand_angles",
        symbol=r"\theta_s",
        definition=r"\theta_s = \frac{1}{2} \angle (U_s^{(1)}, U_s^{(2)})",
        convention=(
            "In radians: half of the largest principal angle between the strand's subspaces in two halves of the "
            "contexts, which is the error that its subspace from all contexts has, as errors fall like the root of "
            "their number. Of the halves' subspaces as many leading directions are taken as the strand has. The median "
            "over splits; near 0.79, which is a right angle halved, a direction is not found again at all."
        ),
        source="gnomon; principal angles: Björck & Golub, Mathematics of Computation 27 (1973) 579",
        dims=("site",),
        axes=("strand",),
        lowest=0.0,
    )
)
