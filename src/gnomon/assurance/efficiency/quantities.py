"""What is measured of how dear a network is to use."""

from __future__ import annotations

from gnomon.measurement import Quantity, Unit, catalogue

_COUNTED = (
    "A FLOP is a multiplication or an addition of a product of matrices, attention included and every entry of it, "
    "whether a mask hides it or not; what is done number by number is not counted. "
)
_PHASES = "prefill: the prompt at once; decode: one token after the prompt, with what is kept of the earlier ones. "

FLOPS_PER_TOKEN = catalogue.add(
    Quantity(
        name="flops_per_token",
        symbol=r"F",
        definition=r"F = \frac{1}{t} \sum_{\text{products } m \times k \times n} 2 m k n",
        convention=_COUNTED + _PHASES + "Of a pass over one sequence of t tokens.",
        source="Chowdhery et al., arXiv:2204.02311, appendix B",
        unit=Unit.parse("flop/token"),
        dims=("phase",),
        lowest=0.0,
    )
)
WEIGHT_BYTES = catalogue.add(
    Quantity(
        name="weight_bytes",
        symbol=r"B_w",
        definition=r"B_w = \sum_{w} |w| \, b_w",
        convention="Over parameters and buffers w of |w| numbers of b_w bytes, shared ones once. Of a network whose "
        "quantisation or pruning is simulated: what its weights take in that form, with their scales or places.",
        source="Frantar et al., arXiv:2210.17323 (of quantised weights)",
        unit=Unit.parse("byte"),
        lowest=0.0,
    )
)
DISK_BYTES = catalogue.add(
    Quantity(
        name="disk_bytes",
        symbol=r"B_d",
        definition=r"B_d = \sum_{\text{files}} \text{size}",
        convention="The files of weights in the folder that it was read from.",
        source="POSIX.1-2017, sys/stat.h (st_size)",
        unit=Unit.parse("byte"),
        lowest=0.0,
    )
)
ACTIVATION_BYTES = catalogue.add(
    Quantity(
        name="activation_peak_bytes",
        symbol=r"B_a",
        definition=r"B_a = \max_{\text{operations}} \sum_{\text{tensors alive}} \text{bytes}",
        convention="Of a prefill of one sequence without gradients, beyond the weights. On a processor what torch's "
        "operations return, not what a kernel holds until it returns; on CUDA what its allocator says.",
        source="Chen et al., arXiv:1604.06174",
        unit=Unit.parse("byte"),
        lowest=0.0,
    )
)
CACHE_BYTES = catalogue.add(
    Quantity(
        name="cache_bytes_per_token",
        symbol=r"B_c",
        definition=r"B_c = 2 \, L \, h_\mathrm{kv} \, d_h \, b",
        convention="By how much what is kept of earlier tokens grows with each: keys and values of L layers with h_kv "
        "heads of width d_h, of b bytes a number. It is read off the tensors that are kept, so that other "
        "architectures have theirs.",
        source="Shazeer, arXiv:1911.02150; Pope et al., arXiv:2211.05102",
        unit=Unit.parse("byte/token"),
        lowest=0.0,
    )
)
SECONDS_PER_TOKEN = catalogue.add(
    Quantity(
        name="seconds_per_token",
        symbol=r"\tau",
        definition=r"\tau = \operatorname{median}_i \frac{T_i}{t}",
        convention=_PHASES + "Wall time of one sequence on the machine that the provenance names, as busy as it was; "
        "after warm-up. The interval is of the median over repetitions and says nothing about other machines.",
        source="David & Nagaraja, Order Statistics (2003), section 7.1 (interval)",
        unit=Unit.parse("s/token"),
        dims=("phase",),
        lowest=0.0,
    )
)
ENERGY_PER_TOKEN = catalogue.add(
    Quantity(
        name="energy_per_token",
        symbol=r"E",
        definition=r"E = \frac{1}{t} \int P \, \mathrm{d}t",
        convention=_PHASES + "Of the processors alone: no memory, cooling, idle machine or manufacture. Where no meter "
        "can be read it is estimated as time of processors times watts a core, and its systematic part says how wrong "
        "that may be; the diagnostics say estimated.",
        source="Lannelongue, Grealey & Inouye, Advanced Science 8 (2021) 2100707; Khan et al., ACM TOMPECS 3 (2018) 9",
        unit=Unit.parse("joule/token"),
        dims=("phase", "from"),
        lowest=0.0,
    )
)
CARBON_PER_TOKEN = catalogue.add(
    Quantity(
        name="carbon_per_token",
        symbol=r"C",
        definition=r"C = E \, c",
        convention=_PHASES
        + "Grams of CO₂ and what warms as much, of the energy alone, at the intensity c of the grid. "
        "Always an estimate: where no grid is named, c is the world's average and the systematic part spans all grids.",
        source="Lannelongue, Grealey & Inouye, Advanced Science 8 (2021) 2100707",
        unit=Unit.parse("gram/token"),
        dims=("phase", "from"),
        lowest=0.0,
    )
)
READING_CHANGE = catalogue.add(
    Quantity(
        name="change_by_efficiency",
        symbol=r"\Delta\theta",
        definition=r"\Delta\theta = \theta_\mathrm{changed} - \theta_\mathrm{original}",
        convention="Of the reading that the label `of` names, in its unit; paired, over the same rows.",
        source="Miller, arXiv:2411.00640 (paired differences)",
        dims=("of",),
    )
)
ENERGY_SPENT = catalogue.add(
    Quantity(
        name="energy_spent",
        symbol=r"E",
        definition=r"E = P \sum_i n_i T_i",
        convention="Over measurements i that took T_i on n_i threads, each at P watts: an estimate, from what their "
        "provenance and cost say. Of processors alone, as energy_per_token.",
        source="Lannelongue, Grealey & Inouye, Advanced Science 8 (2021) 2100707",
        unit=Unit.parse("joule"),
        dims=("from",),
        lowest=0.0,
    )
)
CARBON_SPENT = catalogue.add(
    Quantity(
        name="carbon_spent",
        symbol=r"C",
        definition=r"C = E \, c",
        convention="Of the energy alone, as carbon_per_token.",
        source="Lannelongue, Grealey & Inouye, Advanced Science 8 (2021) 2100707",
        unit=Unit.parse("gram"),
        dims=("from",),
        lowest=0.0,
    )
)
