"""Every architecture: the same logits to the bit, the same site names, and edits that reach what lies downstream."""

from __future__ import annotations

import pytest
import torch
from tiny_networks import CLASSES, IMAGES, NAMES, VOCABULARY, WIDTH, network

from gnomon.subjects import Reads, ScalarOutput, capture, visiting

ENCODERS = ("bert_encoder", "vit_encoder")
NO_FINAL_NORM = ("bert", "bert_encoder", "bert_classifier", "opt_post_norm")


def expected_sites(name: str) -> list[str]:
    parts = ["mixer"] if name == "mamba" else ["attention", "mlp"]
    blocks = [site for i in range(2) for site in (*(f"blocks.{i}.{p}" for p in parts), f"blocks.{i}")]
    return ["embed", *blocks, *([] if name in NO_FINAL_NORM else ["final_norm"]), "logits"]


@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_the_originals_bit_for_bit(name, subject_of, batch_of):
    batch = batch_of(name)
    with torch.no_grad():
        plain = network(name)(*batch.args, **batch.kwargs)
    plain = plain.last_hidden_state if name in ENCODERS else plain.logits
    subject = subject_of(name)
    with torch.no_grad():
        assert torch.equal(subject.output(batch), plain)
    # with every site read, too
    assert torch.equal(capture(subject, batch, Reads(sites=frozenset(subject.sites))).output, plain)


@pytest.mark.parametrize("name", NAMES)
def test_sites_and_their_shapes(name, subject_of, batch_of):
    subject = subject_of(name)
    assert list(subject.sites) == expected_sites(name)
    captured = capture(subject, batch_of(name), Reads(sites=frozenset(subject.sites)))
    positions = 5 if name in IMAGES else 11  # an image is four patches and the class token
    for site, activation in captured.activations.items():
        outputs = {"vit": (3, 1, CLASSES), "bert_classifier": (3, 1, CLASSES)}.get(name, (3, positions, VOCABULARY))
        is_output = site == "logits" and name not in ENCODERS
        assert activation.shape == (outputs if is_output else (3, positions, WIDTH)), site
        assert subject.widths[site] == activation.shape[2]


@pytest.mark.parametrize("name", NAMES)
def test_sublayers_are_what_is_added_to_the_stream(name, subject_of, batch_of):
    """The stream after block 1 is that before it plus its sublayers, normalised where the architecture does so."""
    subject = subject_of(name)
    at = capture(subject, batch_of(name), Reads(sites=frozenset(subject.sites))).activations
    stream = at["blocks.0"]
    modules = dict(subject.module.named_modules())
    block = subject.sites["blocks.1"].module
    norms = {
        "bert": ("attention.output.LayerNorm", "output.LayerNorm"),
        "opt_post_norm": ("self_attn_layer_norm", "final_layer_norm"),
    }
    first, second = norms.get("bert" if name.startswith("bert") else name, ("", ""))
    for part, norm in zip(("mixer",) if name == "mamba" else ("attention", "mlp"), (first, second), strict=False):
        stream = stream + at[f"blocks.1.{part}"]
        if norm:
            with torch.no_grad():
                stream = modules[f"{block}.{norm}"](stream)
    torch.testing.assert_close(stream, at["blocks.1"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_changes_exactly_what_lies_downstream(name, subject_of, batch_of, rng):
    subject, batch = subject_of(name), batch_of(name)
    reads = Reads(sites=frozenset(subject.sites))
    before = capture(subject, batch, reads).activations
    order = list(subject.sites)
    for edited in order:
        push = torch.randn(before[edited].shape[-1], generator=rng)
        with visiting(subject, {edited: lambda x, push=push: x + push}):
            after = capture(subject, batch, reads).activations
        for site in order:
            same = torch.equal(before[site], after[site])
            upstream = order.index(site) < order.index(edited)
            # GPT-NeoX adds attention and MLP in parallel
            beside = name == "neox" and (edited, site) in {(f"blocks.{i}.attention", f"blocks.{i}.mlp") for i in (0, 1)}
            # a hook that edits runs before the one that reads, so the edited site shows the edit
            assert same == (upstream or beside), (edited, site)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_site(name, subject_of, batch_of):
    subject = subject_of(name)
    sites = frozenset(subject.sites)
    captured = capture(subject, batch_of(name), Reads(gradients=(FirstOutput(),), gradient_sites=sites))
    for site, gradient in captured.gradients[FirstOutput()].items():
        assert gradient.any(), site
        assert torch.isfinite(gradient).all()


class FirstOutput(ScalarOutput):
    """The first number of each example's output."""

    def __call__(self, output, predictions, batch):
        return output.reshape(len(batch), -1)[:, 0]

    def __eq__(self, other):
        return isinstance(other, FirstOutput)

    def __hash__(self):
        return 0


@pytest.mark.parametrize("name", ["llama", "bert", "vit", "mamba", "mixtral"])
def test_a_gradient_is_the_slope_of_the_output(name, subject_of, batch_of, rng):
    """Central differences along a random direction, by editing the site."""
    subject, batch = subject_of(name), batch_of(name)
    reads = Reads(sites=frozenset({"blocks.0"}), gradients=(FirstOutput(),), gradient_sites=frozenset({"blocks.0"}))
    captured = capture(subject, batch, reads)
    direction = torch.randn(captured.activations["blocks.0"].shape, generator=rng)
    slope = (captured.gradients[FirstOutput()]["blocks.0"] * direction).sum(dim=(1, 2))

    def moved(step: float) -> torch.Tensor:
        with torch.no_grad(), visiting(subject, {"blocks.0": lambda x: x + step * direction}):
            return FirstOutput()(subject.output(batch), None, batch)

    step = 1e-2
    measured = (moved(step) - moved(-step)) / (2 * step)
    torch.testing.assert_close(slope, measured, rtol=2e-2, atol=2e-3)
