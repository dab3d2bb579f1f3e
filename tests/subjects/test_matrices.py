"""Every linear map once, the right way round, under the name of the site that owns it."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import CNN, GRU, MODELS, NAMES, HomeMade, network
from torch import nn

from gnomon.subjects import ArrayData, Reads, Subject, capture


def labels(name: str, subject_of) -> dict[str, torch.Tensor]:
    found = subject_of(name).matrices()
    assert len({m.site for m in found}) == len(found)
    return {m.site: m.values for m in found}


@pytest.mark.parametrize("name", NAMES)
def test_every_matrix_belongs_to_a_site_and_is_counted_once(name, subject_of):
    subject = subject_of(name)
    found = labels(name, subject_of)
    for label, values in found.items():
        assert label.split(":")[0] in subject.sites, label
        assert values.ndim == 2
        assert not values.requires_grad
    # all numbers of all weights that are no vectors, once: decay rates of a state-space model are no linear map
    weights = [p for n, p in subject.module.named_parameters() if p.numel() > max(p.shape) or ".dt_proj.w" in n]
    weights = [p for p in weights if p.ndim > 1]
    left = sum(p.numel() for n, p in subject.module.named_parameters() if n.endswith("A_log"))
    assert sum(v.numel() for v in found.values()) == sum(p.numel() for p in weights) - left


EXPECTED = {
    "gpt2": {"attention": ["c_attn.weight", "c_proj.weight"], "mlp": ["c_fc.weight", "c_proj.weight"]},
    "llama": {
        "attention": ["q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight"],
        "mlp": ["gate_proj.weight", "up_proj.weight", "down_proj.weight"],
    },
    "neox": {
        "attention": ["query_key_value.weight", "dense.weight"],
        "mlp": ["dense_h_to_4h.weight", "dense_4h_to_h.weight"],
    },
    "opt": {
        "attention": ["k_proj.weight", "v_proj.weight", "q_proj.weight", "out_proj.weight"],
        "mlp": ["fc1.weight", "fc2.weight"],
    },
    "gemma2": {
        "attention": ["q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight"],
        "mlp": ["gate_proj.weight", "up_proj.weight", "down_proj.weight"],
    },
    "mixtral": {
        "attention": ["q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight"],
        "mlp": ["gate.weight", *(f"experts.{p}.{i}" for p in ("gate_up_proj", "down_proj") for i in range(4))],
    },
    "mamba": {"mixer": ["conv1d.weight", "in_proj.weight", "x_proj.weight", "dt_proj.weight", "out_proj.weight"]},
    "rwkv": {
        "attention": ["key.weight", "value.weight", "receptance.weight", "output.weight"],
        "mlp": ["key.weight", "receptance.weight", "value.weight"],
    },
    "bert": {
        "attention": ["self.query.weight", "self.key.weight", "self.value.weight", "output.dense.weight"],
        "mlp": ["intermediate.dense.weight", "output.dense.weight"],
    },
    "vit": {
        "attention": ["q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight"],
        "mlp": ["fc1.weight", "fc2.weight"],
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_names_within_a_block(name, subject_of):
    inside = [label for label in labels(name, subject_of) if label.startswith("blocks.1")]
    assert inside == [f"blocks.1.{part}:{weight}" for part, ws in EXPECTED[name].items() for weight in ws]


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "bert_classifier", "opt_post_norm", "vit"])
def test_the_names_outside_the_blocks(name, subject_of):
    outside = [label for label in labels(name, subject_of) if not label.startswith("blocks")]
    assert (
        outside
        == {
            "gpt2": ["embed:wte.weight", "embed:wpe.weight"],  # its read-out is its embedding
            "llama": ["embed:weight", "logits:weight"],
            "bert": [f"embed:{e}_embeddings.weight" for e in ("word", "position", "token_type")] + ["logits:weight"],
            "bert_classifier": [
                *(f"embed:{e}_embeddings.weight" for e in ("word", "position", "token_type")),
                "logits:bert.pooler.dense.weight",
                "logits:classifier.weight",
            ],
            "opt_post_norm": [
                "embed:embed_tokens.weight",
                "embed:embed_positions.weight",
                "logits:weight",
                "embed:project_in.weight",
            ],
            "vit": ["embed:position_embeddings", "embed:patch_embeddings.projection.weight", "logits:weight"],
        }[name]
    )


def test_a_matrix_maps_its_inputs_to_its_outputs(subject_of):
    """Whatever a layer keeps and however it keeps it, matrix times input plus bias is what it computes."""
    for name in ("gpt2", "llama", "vit"):
        modules = dict(network(name).named_modules())
        checked = 0
        for matrix in subject_of(name).matrices():
            module = modules[matrix.parameter.rpartition(".")[0]]
            if not matrix.parameter.endswith(".weight") or isinstance(module, (nn.Embedding, nn.Conv2d)):
                continue
            x = torch.randn(4, matrix.values.shape[1], generator=torch.Generator().manual_seed(0))
            bias = 0 if getattr(module, "bias", None) is None else module.bias.detach()
            with torch.no_grad():
                torch.testing.assert_close(x @ matrix.values.T + bias, module(x))
            checked += 1
        assert checked >= 8


def test_each_expert_is_a_matrix(subject_of):
    experts = network("mixtral").model.layers[0].mlp.experts
    found = {m.site: m for m in subject_of("mixtral").matrices()}
    third = found["blocks.0.mlp:experts.down_proj.2"]
    assert torch.equal(third.values, experts.down_proj[2])
    assert third.parameter == "model.layers.0.mlp.experts.down_proj.2"


def test_kernels_embeddings_and_patches(subject_of):
    subject = Subject(CNN())
    kernel = next(m for m in subject.matrices() if m.parameter == "conv1.weight")
    assert kernel.site == "conv1:weight"
    # a kernel is the matrix that multiplies an unfolded patch
    x = torch.randn(1, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        plain = nn.functional.conv2d(x, subject.module.conv1.weight)
    torch.testing.assert_close(kernel.values @ x.reshape(-1), plain.reshape(-1))
    table = next(m for m in labels_of(subject_of("llama")) if m.site == "embed:weight")
    one_hot = nn.functional.one_hot(torch.tensor(5), 64).float()
    assert torch.equal(table.values @ one_hot, network("llama").model.embed_tokens.weight[5])


def labels_of(subject: Subject):
    return subject.matrices()


def test_a_transposed_convolution():
    layer = nn.ConvTranspose1d(3, 5, 4, bias=False)
    (matrix,) = Subject(nn.Sequential(layer)).matrices()
    assert matrix.values.shape == (5, 12)
    assert torch.equal(matrix.values[2].reshape(3, 4), layer.weight[:, 2])


def test_recurrent_and_home_made_layers():
    subject = Subject(GRU(), data=ArrayData(torch.zeros(3, 4, dtype=torch.long)))
    assert [m.site for m in subject.matrices()] == [
        "embedding:weight",
        "gru:weight_ih_l0",
        "gru:weight_hh_l0",
        "head:weight",
    ]
    subject = Subject(HomeMade(1), data=ArrayData(torch.zeros(3, 4, dtype=torch.long)))
    assert [m.site for m in subject.matrices()] == [
        "embed:weight",
        "blocks.0.attention:in_proj_weight",
        "blocks.0.attention:out_proj.weight",
        "blocks.0.mlp:wide.weight",
        "blocks.0.mlp:narrow.weight",
        "logits:weight",
    ]


def test_an_expert_that_no_token_was_sent_to_still_has_its_site():
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(nn.Linear(8, 8, bias=False) for _ in range(3))

        def forward(self, x):
            return self.experts[1](x)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.mixture = nn.LayerNorm(8), Experts()

        def forward(self, x):
            return x + self.mixture(self.norm(x))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(Block() for _ in range(2))

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    subject = Subject(Net(), data=ArrayData(torch.randn(4, 5, 8)))
    assert list(subject.sites) == ["embed", "blocks.0.mlp", "blocks.0", "blocks.1.mlp", "blocks.1", "logits"]
    expected = [f"blocks.{i}.mlp:{e}.weight" for i in range(2) for e in range(3)]
    assert [m.site for m in subject.matrices()] == expected


def test_stacks_of_matrices_and_vectors_shaped_to_be_broadcast():
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query = nn.Parameter(torch.randn(2, 6, 4))
            self.scale = nn.Parameter(torch.randn(1, 1, 6))
            self.positions = nn.Parameter(torch.randn(1, 5, 6))
            self.log_rate = nn.Parameter(torch.randn(6, 3))

        def forward(self, x):
            x = (x + self.positions) * self.scale - torch.exp(self.log_rate).sum(1)
            return torch.einsum("bpd,hde->bphe", x, self.query).flatten(2)

    subject = Subject(Heads(), data=ArrayData(torch.randn(3, 5, 6)))
    found = {m.parameter: m.values for m in subject.matrices()}
    assert list(found) == ["query.0", "query.1", "positions"]
    assert torch.equal(found["query.1"], subject.module.query[1])
    assert found["positions"].shape == (5, 6)


def test_every_model_of_the_table_is_tested():
    assert set(EXPECTED) <= set(MODELS)


@pytest.mark.parametrize("name", ["gpt2", "opt", "bert", "vit"])
def test_layers_can_be_read_by_the_label_of_their_weight(name, subject_of, batch_of):
    """OPT's MLP works on batch and positions folded into one axis; readers see both all the same."""
    subject, batch = subject_of(name), batch_of(name)
    inside = [label for label in subject.layers if label.startswith("blocks.")]
    captured = capture(subject, batch, Reads(sites=frozenset(inside)))
    rows = {m.site: len(m.values) for m in subject.matrices()}
    for label in inside:
        assert captured.activations[label].shape == (3, 5 if name == "vit" else 11, rows[label]), label
    if name == "opt":
        at = capture(subject, batch, Reads(sites=frozenset({"blocks.0.mlp", "blocks.0.mlp:fc2.weight"}))).activations
        assert torch.equal(at["blocks.0.mlp"], at["blocks.0.mlp:fc2.weight"])
