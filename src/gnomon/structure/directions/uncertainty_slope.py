"""The noise of a mean difference in closed form."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.structure.directions.mean_difference import label_slope
from gnomon.structure.directions.uncertainty_noise import Noise
from gnomon.structure.examples import Examples

_ALONE = 1e-9


def slope_noise(examples: Examples, *, level: float) -> Noise:
    r"""The noise in the slope of the inputs on the label (`label_slope`), from its clusters.

    The slope is :math:`\hat\delta = \delta + \varepsilon` with :math:`\operatorname{Cov} \varepsilon = V`. What each
    cluster g adds to it beyond its share is :math:`\psi_g`, a weighted sum of residuals, with the residuals' loss of
    length from the fit put back (CR2), so that :math:`\sum_g \psi_g \psi_g^\top` is without bias for V where residuals
    are of one covariance. Then :math:`\widehat{\sin^2\theta} = \operatorname{tr} \hat V / |\hat\delta|^2`. For
    :math:`\operatorname{tr} V^2`, the bias that few vectors in many dimensions have is taken off as for Gaussian data,

    .. math:: \widehat{\operatorname{tr} V^2} = \frac{m^2}{(m-1)(m+2)}
              \left(\operatorname{tr} \hat V^2 - \tfrac1m \operatorname{tr}^2 \hat V\right),

    where :math:`m = \operatorname{tr}^2 \hat V / \sum_g |\psi_g|^4`, less what the fit uses, is the number of clusters
    that count. Noise along the direction does not turn it: its part is taken off as far as the direction is known, by
    the lower end of the interval that does without.

    Raises GnomonError when the direction rests on one cluster of a class. Cost: :math:`2 d \min(G, d)\,G` operations
    for G clusters.

    Source: Bell & McCaffrey, Survey Methodology 28 (2002) 169 (CR2); Bai & Saranadasa, Statistica Sinica 6 (1996) 311
    (trace of the squared covariance).
    """
    slope = label_slope(examples.inputs, examples.labels)
    length = float(slope.square().sum())
    parts, lost = _parts(examples, slope)
    if not length > 0:
        raise GnomonError("the class means are equal", mend="give examples whose inputs differ with the label")
    first = _noise(parts, lost, length)
    known = max(0.0, 1 - first.interval(level)[1])
    unit = slope / slope.norm()
    across = parts - (1 - (1 - known) ** 0.5) * torch.outer(parts @ unit, unit)
    return _noise(across, lost, length)


def _parts(examples: Examples, slope: Tensor) -> tuple[Tensor, float]:
    """The :math:`ψ_g`, ``(G, d)``, and the share of their squared length that the fit takes."""
    x, y = examples.inputs, examples.labels
    centred = y - y.mean()
    residuals = x - x.mean(dim=0) - centred[:, None] * slope
    # a basis of the two columns that are fitted: leverages are its outer products
    fitted = torch.stack([torch.full_like(y, len(y) ** -0.5), centred / centred.norm()], dim=1)
    ids, places = np.unique(examples.groups, return_inverse=True)
    index = torch.as_tensor(places, device=x.device)
    leverage = x.new_zeros(len(ids), 2, 2).index_add_(0, index, fitted[:, :, None] * fitted[:, None, :])
    values, vectors = torch.linalg.eigh(leverage)
    if bool((values > 1 - _ALONE).any()):
        raise GnomonError(
            "the direction rests on a single cluster of a class", mend="give at least two clusters of each"
        )
    weights = (vectors / (1 - values).sqrt()[:, None, :]) @ vectors[:, 1, :, None] / centred.norm()
    weighted = (fitted * weights[index, :, 0]).sum(dim=1)[:, None] * residuals
    return x.new_zeros(len(ids), x.shape[1]).index_add_(0, index, weighted), float((leverage @ leverage)[:, 1, 1].sum())


def _noise(parts: Tensor, lost: float, length: float) -> Noise:
    squares = parts.square().sum(dim=1)
    trace = float(squares.sum())
    if not trace > 0:
        return Noise(share=0.0, freedom=1.0, clusters=float(len(parts)))
    m = max(2.0, trace**2 / float(squares.square().sum()) * (1 - lost))
    gram = parts @ parts.T if len(parts) <= parts.shape[1] else parts.T @ parts
    second = m**2 / ((m - 1) * (m + 2)) * (float(gram.square().sum()) - trace**2 / m)
    most = float(parts.shape[1])  # noise that is alike in every dimension
    freedom = min(most, max(1.0, trace**2 / second)) if second > 0 else most
    return Noise(share=trace / length, freedom=freedom, clusters=m)
