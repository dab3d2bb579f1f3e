r"""FLOPs of fused attention, as many as the same attention takes in separate products.

With b sequences, h heads of queries, n queries and m keys, keys of width d and values of width e, the forward pass is
:math:`2bhnm(d + e)` FLOPs, which is :math:`4bhn^2d` for self-attention: the scores and their average over the values.
The backward pass is twice that. Fewer heads of keys than of queries do not change it: each serves several. Fused
kernels compute the scores anew in the backward pass, :math:`2bhnmd`; that is counted apart, as it is not of the model
but of the kernel (Chowdhery et al., arXiv:2204.02311, appendix B; Dao, arXiv:2307.08691).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from gnomon.subjects.flops.products import Flops, Formula

_FROM_TOP_LEFT, _FROM_BOTTOM_RIGHT = 1, 2


def attention(heads: int, queries: int, keys: int, width: int, value_width: int, *, causal: int = 0) -> Flops:
    """Forward pass of ``heads`` heads in all sequences together; causal from the top left (1), bottom right (2)."""
    total = 2 * heads * queries * keys * (width + value_width)
    return Flops(total, masked=total // (queries * keys) * _hidden(queries, keys, causal) if total else 0)


def attention_backward(heads: int, queries: int, keys: int, width: int, value_width: int, *, causal: int = 0) -> Flops:
    """Backward pass of the same, with the scores computed anew."""
    once = attention(heads, queries, keys, width, value_width, causal=causal)
    return Flops(2 * once.needed, 2 * once.masked, recomputed=2 * heads * queries * keys * width)


def _hidden(queries: int, keys: int, causal: int) -> int:
    """How many of the scores of one head a causal mask hides."""
    if not causal:
        return 0
    offset = keys - queries if causal == _FROM_BOTTOM_RIGHT else 0
    return sum(min(keys, max(0, keys - 1 - offset - i)) for i in range(queries))


def _sizes(query: Tensor, key: Tensor, value: Tensor, positions: int) -> tuple[int, int, int, int, int]:
    """Heads in all sequences, queries, keys and the two widths, of tensors whose axis ``positions`` is that."""
    heads_axis = 3 - positions  # the two axes between the batch and the features
    return (
        query.shape[0] * query.shape[heads_axis],
        query.shape[positions],
        key.shape[positions],
        query.shape[-1],
        (value.shape[-1]),
    )


def _fused(*, first: int, causal: int, positions: int = 2) -> Formula:
    """A fused kernel whose query is argument ``first`` (after a gradient, in the backward pass)."""

    def formula(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
        del out
        is_causal = kwargs.get("is_causal", args[causal] if len(args) > causal else False)
        sizes = _sizes(args[first], args[first + 1], args[first + 2], positions)
        return (attention_backward if first else attention)(*sizes, causal=_FROM_TOP_LEFT if is_causal else 0)

    return formula


def _flash(*, first: int, offsets: int, causal: int) -> Formula:
    """``_flash_attention_*``: ``(b, n, h, d)``, or sequences one after another, ``(Σn, h, d)``, and where they end."""

    def formula(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
        del kwargs, out
        query, key, value = args[first : first + 3]
        rule = _FROM_BOTTOM_RIGHT if args[causal] else 0
        count = attention_backward if first else attention
        if args[offsets] is None:
            return count(*_sizes(query, key, value, 1), causal=rule)
        if query.is_meta:
            return None
        starts, key_starts = (args[offsets + i].diff().tolist() for i in range(2))
        lengths = zip(starts, key_starts, strict=True)
        return sum(
            (count(query.shape[1], n, m, query.shape[-1], value.shape[-1], causal=rule) for n, m in lengths), Flops()
        )

    return formula


def _efficient(*, first: int, offsets: int, causal: int) -> Formula:
    """``_efficient_attention_*``: ``(b, n, h, d)``; sequences one after another are not counted."""

    def formula(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
        del kwargs, out
        if args[offsets] is not None:
            return None
        count = attention_backward if first else attention
        return count(*_sizes(args[first], args[first + 1], args[first + 2], 1), causal=args[causal])

    return formula


def _projected(query: Tensor, key: Tensor, width: int) -> Flops:
    """Multi-head attention with its four projections, of ``(b, n, width)``."""
    b, n, m = query.shape[0], query.shape[1], key.shape[1]
    projections = 2 * width * width * (2 * b * n + 2 * b * m)  # of queries and of the result, of keys and of values
    return Flops(projections) + attention(b, n, m, width, width)


def _multi_head(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
    """`torch.nn.MultiheadAttention` in evaluation mode."""
    del kwargs, out
    return None if args[0].is_nested else _projected(args[0], args[1], args[3])


def _encoder_layer(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Flops | None:
    """`torch.nn.TransformerEncoderLayer` in evaluation mode."""
    del kwargs, out
    given, width, hidden = args[0], args[1], args[14].shape[0]
    if given.is_nested:
        return None
    return _projected(given, given, width) + Flops(2 * 2 * given.shape[0] * given.shape[1] * width * hidden)


ATTENTION: dict[str, Formula] = {
    "_scaled_dot_product_flash_attention_for_cpu": _fused(first=0, causal=4),
    "_scaled_dot_product_flash_attention_for_cpu_backward": _fused(first=1, causal=7),
    "_scaled_dot_product_flash_attention": _fused(first=0, causal=4),
    "_scaled_dot_product_flash_attention_backward": _fused(first=1, causal=11),
    "_scaled_dot_product_efficient_attention": _fused(first=0, causal=6),
    "_scaled_dot_product_efficient_attention_backward": _fused(first=1, causal=11),
    "_scaled_dot_product_cudnn_attention": _fused(first=0, causal=6),
    "_scaled_dot_product_cudnn_attention_backward": _fused(first=1, causal=14),
    "_scaled_dot_product_fused_attention_overrideable": _fused(first=0, causal=5),
    "_scaled_dot_product_fused_attention_overrideable_backward": _fused(first=1, causal=13),
    "_flash_attention_forward": _flash(first=0, offsets=3, causal=8),
    "_flash_attention_backward": _flash(first=1, offsets=6, causal=11),
    "_efficient_attention_forward": _efficient(first=0, offsets=4, causal=9),
    "_efficient_attention_backward": _efficient(first=1, offsets=6, causal=14),
    "_native_multi_head_attention": _multi_head,
    "_transformer_encoder_layer_fwd": _encoder_layer,
}
