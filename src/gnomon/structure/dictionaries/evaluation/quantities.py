"""The quantities of a dictionary."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

_SPLICED = (
    "Evaluation mode; the reconstruction is put in place of the activation at the (target) site at every position, and "
    "the rest of the network runs on. "
)

EXPLAINED_VARIANCE = Quantity(
    name="dictionary_explained_variance",
    symbol=r"R^2",
    definition=r"R^2 = 1 - \frac{\sum_i \|y_i - \hat y_i\|^2}{\sum_i \|y_i - \bar y\|^2}",
    convention="Over all rows and coordinates at once; the mean is that of the rows at hand. Inputs are targets for "
    "an autoencoder.",
    source="Bricken et al., Towards Monosemanticity, Transformer Circuits Thread (2023)",
    dims=("site",),
    highest=1.0,
)
L0 = Quantity(
    name="dictionary_l0",
    symbol=r"L_0",
    definition=r"L_0 = \mathbb{E}\,|\{j : z_j(x) > 0\}|",
    convention="Mean number of active latents of a vector, encoded as at evaluation.",
    source="Bricken et al., Towards Monosemanticity, Transformer Circuits Thread (2023)",
    dims=("site",),
    lowest=0.0,
)
DENSITY = Quantity(
    name="dictionary_density",
    symbol=r"\rho_j",
    definition=r"\rho_j = \Pr[z_j(x) > 0]",
    convention="Of every latent; a share of vectors.",
    source="Bricken et al., Towards Monosemanticity, Transformer Circuits Thread (2023)",
    dims=("site",),
    axes=("latent",),
    lowest=0.0,
    highest=1.0,
)
DEAD_SHARE = Quantity(
    name="dictionary_dead_share",
    symbol=r"m_0 / m",
    definition=r"m_0 / m = |\{j : z_j(x_i) = 0, i = 1, \dots, n\}| / m",
    convention="Share of latents that are active on none of the n vectors at hand: of these vectors there is no "
    "sampling error, and on more of them it can only fall. The diagnostics say how rare such a latent may be.",
    source="Gao et al., arXiv:2406.04093",
    dims=("site",),
    lowest=0.0,
    highest=1.0,
)
LOSS_INCREASE = Quantity(
    name="dictionary_loss_increase",
    symbol=r"\Delta\mathcal{L}",
    unit=Unit.parse("nat/prediction"),
    definition=r"\Delta\mathcal{L} = \mathcal{L}_{\hat y} - \mathcal{L}",
    convention=_SPLICED + "Loss with the reconstruction, less that of the untouched network.",
    source="Bricken et al., Towards Monosemanticity, Transformer Circuits Thread (2023)",
    dims=("site",),
)
LOSS_RECOVERED = Quantity(
    name="dictionary_loss_recovered",
    symbol=r"r",
    definition=r"r = \frac{\mathcal{L}_0 - \mathcal{L}_{\hat y}}{\mathcal{L}_0 - \mathcal{L}}",
    convention=_SPLICED + "The loss L_0 is that with the activation replaced by zero, or by its mean over the data: "
    "the label `reference` says which. 1 is the untouched network, 0 the ablated one.",
    source="Bricken et al., Towards Monosemanticity, Transformer Circuits Thread (2023)",
    dims=("site", "reference"),
)
MATCHED_COSINE = Quantity(
    name="planted_matched_cosine",
    symbol=r"\overline{\cos}",
    definition=r"\overline{\cos} = \max_\pi \frac{1}{n} \sum_i \cos(d_{\pi(i)}, f_i)",
    convention="Over one-to-one assignments of latents to planted features (Hungarian method), with signs; a feature "
    "left without a latent counts 0. The label `dictionary` tells the one at hand from random ones of the same size.",
    source="Sharkey, Braun & Millidge, Taking features out of superposition with sparse autoencoders (2022)",
    dims=("dictionary",),
    lowest=-1.0,
    highest=1.0,
)
MATCHED_RECALL = Quantity(
    name="planted_matched_recall",
    symbol=r"R_\tau",
    definition=r"R_\tau = |\{i : \cos(d_{\pi(i)}, f_i) > \tau\}| / n",
    convention="Share of planted features that are matched at a cosine above τ, given as the label `cosine`.",
    source="Sharkey, Braun & Millidge, Taking features out of superposition with sparse autoencoders (2022)",
    dims=("cosine",),
    lowest=0.0,
    highest=1.0,
)
MATCHED_PRECISION = Quantity(
    name="planted_matched_precision",
    symbol=r"P_\tau",
    definition=r"P_\tau = |\{i : \cos(d_{\pi(i)}, f_i) > \tau\}| / m_+",
    convention="Matches above τ as a share of the m_+ latents that are active on any vector at hand.",
    source="Sharkey, Braun & Millidge, Taking features out of superposition with sparse autoencoders (2022)",
    dims=("cosine",),
    lowest=0.0,
    highest=1.0,
)
FIRING_PRECISION = Quantity(
    name="planted_firing_precision",
    symbol=r"P",
    definition=r"P = \frac{1}{n} \sum_i \Pr[a_i > 0 \mid z_{\pi(i)} > 0]",
    convention="Mean over planted features; the matched latent counts as firing above the threshold stated in the "
    "diagnostics. A feature whose latent never fires counts 0.",
    source="van Rijsbergen, Information Retrieval (1979)",
    lowest=0.0,
    highest=1.0,
)
FIRING_RECALL = Quantity(
    name="planted_firing_recall",
    symbol=r"R",
    definition=r"R = \frac{1}{n} \sum_i \Pr[z_{\pi(i)} > 0 \mid a_i > 0]",
    convention="As for the precision of firing; over the features that fire.",
    source="van Rijsbergen, Information Retrieval (1979)",
    lowest=0.0,
    highest=1.0,
)
FIRING_F1 = Quantity(
    name="planted_firing_f1",
    symbol=r"F_1",
    definition=r"F_1 = \frac{1}{n} \sum_i \frac{2\,\mathrm{TP}_i}{2\,\mathrm{TP}_i + \mathrm{FP}_i + \mathrm{FN}_i}",
    convention="As for the precision of firing; over the features that fire.",
    source="van Rijsbergen, Information Retrieval (1979)",
    lowest=0.0,
    highest=1.0,
)
ABSORPTION = Quantity(
    name="dictionary_absorption",
    symbol=r"A",
    definition=r"A = \Pr\bigl[z_{\mathrm{main}}(x) = 0, \, z_j(x)\, d_j \cdot w \geq \tau\, x \cdot w "
    r"\mid \mathrm{feature}\bigr]",
    convention="Share of the vectors in which a feature is present where its main latents are silent and one other "
    "latent carries at least τ = 0.4 of it. With planted features, the feature is a parent, in vectors in which a "
    "feature below it fires too, w is the part of the parent's direction that is orthogonal to all below it, and what "
    "is carried is compared with the parent's own magnitude. With a concept, w is a probe, in held-out positive "
    "examples that it classifies rightly, and vectors are taken from the middle of the classes.",
    source="Chanin et al., arXiv:2409.14507; with shares of a projection as in Karvonen et al., arXiv:2503.09532",
    dims=("concept",),
    lowest=0.0,
    highest=1.0,
)
STABILITY = Quantity(
    name="dictionary_stability",
    symbol=r"S_\tau",
    definition=r"S_\tau = \frac{1}{m} \max_{\pi} |\{j : \cos(d_j, d'_{\pi(j)}) > \tau\}|",
    convention="Share of the latents that are found again in a dictionary trained alike on another seed: the largest "
    "number of one-to-one pairs above the cosine τ, given as the label `cosine`. The label `other` tells the other "
    "dictionary from itself with its space turned by a random rotation.",
    source="after Paulo & Belrose, arXiv:2501.16615",
    dims=("cosine", "other"),
    lowest=0.0,
    highest=1.0,
)
PROBE_AUROC = Quantity(
    name="dictionary_probe_auroc",
    symbol=r"\mathrm{AUC}_k",
    definition=r"\mathrm{AUC}_k = \Pr[s_+ > s_-] + \tfrac{1}{2} \Pr[s_+ = s_-]",
    convention="Of a logistic read-out of k latents, chosen on the training folds by the difference of their class "
    "means, on held-out folds; beside it of the whole vector (`probe` = dense) and of k random latents (random).",
    source="Gurnee et al., arXiv:2305.01610",
    dims=("concept", "probe", "latents"),
    lowest=0.0,
    highest=1.0,
)

for _quantity in (
    EXPLAINED_VARIANCE,
    L0,
    DENSITY,
    DEAD_SHARE,
    LOSS_INCREASE,
    LOSS_RECOVERED,
    MATCHED_COSINE,
    MATCHED_RECALL,
    MATCHED_PRECISION,
    FIRING_PRECISION,
    FIRING_RECALL,
    FIRING_F1,
    ABSORPTION,
    STABILITY,
    PROBE_AUROC,
):
    catalogue.add(_quantity)
