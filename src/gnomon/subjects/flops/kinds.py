"""Which operations multiply no matrices: they move numbers, or do a little arithmetic with each."""

from __future__ import annotations

from typing import Any, Literal

import torch

Kind = Literal["movement", "elementwise", "unknown"]

_VIEWS = {torch.Tag.inplace_view, torch.Tag.view_copy}
_LITTLE = {tag for name in ("pointwise", "reduction") if (tag := getattr(torch.Tag, name, None)) is not None}

# no arithmetic: making, copying, choosing and drawing numbers; views are known by their schema
_MOVEMENT = """
    _chunk_cat _functional_assert_async _fused_dropout _index_put_impl_ _jagged_to_padded_dense_forward
    _local_scalar_dense _pack_padded_sequence _padded_dense_to_jagged_forward _pin_memory _reshape_copy
    _resize_output_ _to_copy _to_dense _unique _unique2 _unsafe_index _unsafe_index_put _unsafe_masked_index
    _unsafe_view arange as_strided_scatter bernoulli bernoulli_ bincount block_diag bucketize cat cauchy
    channel_shuffle clone col2im complex constant_pad_nd copy copy_ diag_embed diagonal_backward diagonal_scatter
    embedding empty empty_like empty_permuted empty_strided exponential eye fill fill_ flip full full_like gather
    geometric hann_window im2col index index_copy index_fill index_put index_put_ index_select is_pinned
    is_same_size isin lift lift_fresh_copy linspace log_normal logspace masked_fill masked_scatter
    masked_scatter_backward masked_select max_unpool2d max_unpool3d multinomial native_dropout new_empty
    new_empty_strided new_full new_ones new_zeros nonzero nonzero_static normal normal_ ones ones_like permute_copy
    pixel_shuffle pixel_unshuffle poisson rand rand_like randint randint_like randn randn_like random random_
    randperm reflection_pad1d reflection_pad1d_backward reflection_pad2d reflection_pad2d_backward reflection_pad3d
    reflection_pad3d_backward repeat repeat_interleave replication_pad1d replication_pad1d_backward
    replication_pad2d replication_pad2d_backward replication_pad3d replication_pad3d_backward resize resize_ roll
    rot90 scalar_tensor scatter searchsorted select_backward select_scatter set_ slice_backward slice_scatter sort
    split_with_sizes_copy stack take topk tril tril_indices triu triu_indices unfold_backward uniform uniform_
    unique_consecutive unique_dim unsafe_split unsafe_split_with_sizes zero zero_ zeros zeros_like
"""
# arithmetic that is linear in the numbers given, where torch's own tags do not say so
_ELEMENTWISE = """
    _adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward _add_relu
    _amp_foreach_non_finite_check_and_unscale_ _amp_update_scale_ _batch_norm_no_update _batch_norm_with_update
    _batch_norm_with_update_functional _embedding_bag _embedding_bag_backward _embedding_bag_dense_backward
    _embedding_bag_forward_only _foreach_add_ _foreach_addcdiv_ _foreach_addcmul_ _foreach_div_ _foreach_lerp_
    _foreach_mul_ _foreach_norm _foreach_sqrt _fused_adam _fused_adam_ _fused_adamw_ _fused_rms_norm
    _fused_rms_norm_backward _fused_sgd_ _log_softmax _log_softmax_backward_data _logcumsumexp _masked_scale
    _native_batch_norm_legit _native_batch_norm_legit_functional _native_batch_norm_legit_no_training _prelu_kernel
    _prelu_kernel_backward _safe_softmax _segment_reduce_backward _softmax _softmax_backward_data
    _thnn_fused_gru_cell _thnn_fused_lstm_cell _thnn_fused_lstm_cell_backward_impl _upsample_bicubic2d_aa
    _upsample_bilinear2d_aa _weight_norm_interface _weight_norm_interface_backward adaptive_max_pool2d
    adaptive_max_pool2d_backward adaptive_max_pool3d adaptive_max_pool3d_backward addr affine_grid_generator all
    amax amin aminmax any argmax argmin avg_pool2d avg_pool2d_backward avg_pool3d avg_pool3d_backward
    batch_norm_backward binary_cross_entropy binary_cross_entropy_backward binary_cross_entropy_with_logits copysign
    cudnn_batch_norm cudnn_batch_norm_backward cummax cummin cumprod cumsum dequantize dist elu_backward
    embedding_dense_backward equal floor_divide gelu_backward glu glu_backward grid_sampler_2d
    grid_sampler_2d_backward grid_sampler_3d grid_sampler_3d_backward hardsigmoid_backward hardswish
    hardswish_backward hardtanh_backward histc huber_loss huber_loss_backward index_add index_add_ index_reduce
    kthvalue leaky_relu_backward linalg_cross linalg_vector_norm log_sigmoid_backward log_sigmoid_forward
    logcumsumexp logsumexp max max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d_with_indices
    max_pool3d_with_indices_backward mean median min miopen_batch_norm miopen_batch_norm_backward mish mode mse_loss
    mse_loss_backward multi_margin_loss nanmedian native_batch_norm native_batch_norm_backward native_group_norm
    native_group_norm_backward native_layer_norm native_layer_norm_backward nll_loss2d_backward nll_loss2d_forward
    nll_loss_backward nll_loss_forward norm polar prod quantize_per_channel quantize_per_tensor renorm rsub
    scatter_add scatter_add_ scatter_reduce segment_reduce smooth_l1_loss smooth_l1_loss_backward soft_margin_loss
    soft_margin_loss_backward softplus_backward std sum threshold threshold_backward trace upsample_bicubic2d
    upsample_bilinear2d upsample_linear1d upsample_nearest2d_backward upsample_trilinear3d var var_mean xlogy
"""
_MOVING, _COUNTING = frozenset(_MOVEMENT.split()), frozenset(_ELEMENTWISE.split())


def kind_of(operation: Any) -> Kind:
    """What ``operation`` of torch does, where no formula is known; ``unknown`` where nothing says that it is little."""
    if not isinstance(operation, torch._ops.OpOverload) or operation.namespace not in ("aten", "prims", "prim"):
        return "unknown"
    name = operation._schema.name.partition("::")[2]
    names = {name, name.removesuffix("_")}  # what works in place does what its namesake does
    tags = set(operation.tags) | _tags(name.removesuffix("_"), operation._overloadname)
    if operation.is_view or names & _MOVING or _VIEWS & tags:
        return "movement"
    if _LITTLE & tags or names & _COUNTING:
        return "elementwise"
    if not any("Tensor" in str(r.type) for r in operation._schema.returns):
        return "movement"  # it tells sizes or asks questions
    return "unknown"


def _tags(name: str, overload: str) -> set[torch.Tag]:
    return set(getattr(getattr(getattr(torch.ops.aten, name, None), overload, None), "tags", ()))
