"""The file layout of SAELens: its formulas, written here by hand, give what our dictionaries give.

`benchmarks/saelens.py` checks the same against the package itself.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.architectures import architecture, build
from gnomon.structure.dictionaries.saelens import CONFIGURATION, WEIGHTS, export_saelens, import_saelens

_D, _E, _M = 6, 4, 20
_KINDS = {
    "relu": {},
    "top_k": {"k": 3},
    "batch_top_k": {"k": 3},
    "jump_relu": {},
    "matryoshka": {"k": 3, "prefixes": (5, _M)},
}
_ARCHITECTURES = {
    "relu": "standard",
    "top_k": "topk",
    "batch_top_k": "jumprelu",
    "jump_relu": "jumprelu",
    "matryoshka": "jumprelu",
}


def _rows(n: int = 200) -> torch.Tensor:
    return 3 + 2 * torch.randn(n, _D, generator=Rng(1).torch())


def _dictionary(kind: str, *, targets: int | None = None):
    """One with a part in everything: means, scales, biases, thresholds."""
    made = build(architecture(kind, latents=_M, **_KINDS[kind]), _D, targets, Rng(0))
    generator = Rng(2).torch()
    with torch.no_grad():
        made.encoder += 0.2 * torch.randn(made.encoder.shape, generator=generator)
        made.encoder_bias += 0.1 * torch.randn(made.encoder_bias.shape, generator=generator)
        made.decoder_bias += torch.randn(made.decoder_bias.shape, generator=generator)
        made.input_mean += 3 + torch.randn(made.input_mean.shape, generator=generator)
        made.target_mean += torch.randn(made.target_mean.shape, generator=generator)
        made.input_scale.fill_(4.0)
        made.target_scale.fill_(0.7)
        if kind == "jump_relu":
            made.log_threshold += torch.rand(_M, generator=generator).log() + 6
        elif "matryoshka" in kind or "batch" in kind:
            made.threshold.fill_(0.25)
    return made.eval()


def _forward(configuration, weights, rows):
    """Activations and reconstructions by SAELens's formulas, in float64."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    x = rows.numpy().astype(np.float64)
    pre = (x - w["b_dec"] if configuration["apply_b_dec_to_input"] else x) @ w["W_enc"] + w["b_enc"]
    lengths = np.linalg.norm(w["W_dec"], axis=1)
    by_length = configuration.get("rescale_acts_by_decoder_norm", False)
    pre = pre * lengths if by_length else pre
    acts = np.maximum(pre, 0)
    if configuration["architecture"] == "topk":
        smallest = np.sort(pre, axis=1)[:, -configuration["k"], None]
        acts = acts * (pre >= smallest)
    elif "threshold" in w:
        acts = acts * (pre > w["threshold"])
    return acts, (acts / lengths if by_length else acts) @ w["W_dec"] + w["b_dec"]


def _written(path):
    return json.loads((path / CONFIGURATION).read_text()), load_file(path / WEIGHTS)


@pytest.mark.parametrize("kind", _KINDS)
def test_exported_weights_reconstruct_the_same(kind, tmp_path):
    dictionary, rows = _dictionary(kind), _rows()
    configuration, weights = _written(export_saelens(dictionary, tmp_path / "sae", metadata={"hook_name": "here"}))
    assert configuration["architecture"] == _ARCHITECTURES[kind]
    assert (configuration["d_in"], configuration["d_sae"]) == (_D, _M)
    assert configuration["metadata"]["hook_name"] == "here"
    assert {name: value.shape for name, value in weights.items() if name != "threshold"} == {
        "W_enc": (_D, _M),
        "b_enc": (_M,),
        "W_dec": (_M, _D),
        "b_dec": (_D,),
    }
    acts, made = _forward(configuration, weights, rows)
    codes = dictionary.encode(rows)
    assert np.allclose(made, dictionary.decode(codes).detach().numpy(), atol=1e-5)
    assert np.allclose(acts, 0.7 * codes.dense().numpy(), atol=1e-5)
    assert 0 < (acts > 0).mean() < 0.6


@pytest.mark.parametrize("kind", ["relu", "jump_relu", "batch_top_k"])
def test_transcoders_take_nothing_off_their_input(kind, tmp_path):
    dictionary, rows = _dictionary(kind, targets=_E), _rows()
    configuration, weights = _written(export_saelens(dictionary, tmp_path / "sae"))
    assert configuration["architecture"] == ("transcoder" if kind == "relu" else "jumprelu_transcoder")
    assert not configuration["apply_b_dec_to_input"]
    assert configuration["d_out"] == _E
    _, made = _forward(configuration, weights, rows)
    assert np.allclose(made, dictionary(rows).detach().numpy(), atol=1e-5)
    again, _ = import_saelens(tmp_path / "sae")
    assert again.transcodes
    assert torch.allclose(again(rows), dictionary(rows), atol=1e-5)


@pytest.mark.parametrize("kind", _KINDS)
def test_what_was_exported_can_be_imported(kind, tmp_path):
    dictionary, rows = _dictionary(kind), _rows()
    again, metadata = import_saelens(export_saelens(dictionary, tmp_path / "sae", metadata={"model_name": "m"}))
    assert metadata["model_name"] == "m"
    assert torch.allclose(again(rows), dictionary(rows), atol=1e-5)
    assert torch.equal(again.encode(rows).dense() > 0, dictionary.encode(rows).dense() > 0)
    assert torch.allclose(again.decoder.norm(dim=1), torch.ones(_M))


def _saved(path, configuration, **tensors):
    """A directory as SAELens saves it, with directions of any length."""
    generator = np.random.default_rng(0)
    weights = {
        "W_enc": generator.standard_normal((_D, _M)),
        "b_enc": generator.standard_normal(_M),
        "W_dec": generator.standard_normal((_M, _D)) * generator.uniform(0.2, 3, (_M, 1)),
        "b_dec": generator.standard_normal(_D),
    } | tensors
    weights = {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in weights.items()}
    configuration = {"architecture": "standard", "apply_b_dec_to_input": True, **configuration}
    path.mkdir()
    (path / CONFIGURATION).write_text(json.dumps(configuration))
    save_file(weights, path / WEIGHTS)
    return configuration, weights


@pytest.mark.parametrize("subtracts", [True, False], ids=["from the input", "nothing"])
@pytest.mark.parametrize("name", ["standard", "topk", "jumprelu"])
def test_what_saelens_saved_is_imported(name, subtracts, tmp_path):
    options = {"k": 4, "rescale_acts_by_decoder_norm": True} if name == "topk" else {}
    tensors = {"threshold": np.linspace(-0.5, 2, _M)} if name == "jumprelu" else {}
    configuration, weights = _saved(
        tmp_path / "sae", {"architecture": name, "apply_b_dec_to_input": subtracts, **options}, **tensors
    )
    dictionary, _ = import_saelens(tmp_path / "sae")
    acts, made = _forward(configuration, weights, _rows())
    codes = dictionary.encode(_rows())
    assert np.allclose(dictionary.decode(codes).detach().numpy(), made, atol=1e-4)
    lengths = 1 if name == "topk" else np.linalg.norm(weights["W_dec"], axis=1)
    assert np.allclose(codes.dense().numpy(), acts * lengths, atol=1e-4)


def test_a_direction_of_length_zero_is_never_active(tmp_path):
    decoder = np.random.default_rng(1).standard_normal((_M, _D))
    decoder[5] = 0
    configuration, weights = _saved(tmp_path / "sae", {}, W_dec=decoder)
    dictionary, _ = import_saelens(tmp_path / "sae")
    assert torch.allclose(dictionary.decoder.norm(dim=1), torch.ones(_M))
    assert float(dictionary.encode(_rows()).dense()[:, 5].max()) == 0
    assert np.allclose(dictionary(_rows()).detach().numpy(), _forward(configuration, weights, _rows())[1], atol=1e-4)


@pytest.mark.parametrize("by_length", [True, False], ids=["by length", "as they are"])
def test_training_checkpoints_have_one_threshold(by_length, tmp_path):
    configuration, weights = _saved(
        tmp_path / "sae",
        {"architecture": "matryoshka_batchtopk", "rescale_acts_by_decoder_norm": by_length},
        topk_threshold=np.array(0.8),
    )
    dictionary, _ = import_saelens(tmp_path / "sae")
    weights["threshold"] = np.full(_M, weights.pop("topk_threshold"))
    assert np.allclose(dictionary(_rows()).detach().numpy(), _forward(configuration, weights, _rows())[1], atol=1e-4)


def test_what_cannot_be_expressed_is_refused(tmp_path):
    with pytest.raises(GnomonError, match="no place for a top_k transcoder"):
        export_saelens(_dictionary("top_k", targets=_E), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    cases = {
        "gated": ({"architecture": "gated"}, "architecture 'gated' is none of ours"),
        "skip": ({"architecture": "skip_transcoder"}, "'skip_transcoder' is none of ours"),
        "norm": ({"normalize_activations": "layer_norm"}, "normalises activations"),
        "gelu": ({"activation_fn": "gelu"}, "activation 'gelu'"),
        "lengths": ({"architecture": "topk", "k": 3}, "without regard to the lengths"),
        "k": ({"architecture": "topk", "rescale_acts_by_decoder_norm": True}, "how many latents are active"),
        "threshold": ({"architecture": "jumprelu"}, "has no 'threshold'"),
    }
    for name, (configuration, message) in cases.items():
        _saved(tmp_path / name, configuration)
        with pytest.raises(GnomonError, match=message):
            import_saelens(tmp_path / name)
    (tmp_path / "k" / WEIGHTS).unlink()
    with pytest.raises(GnomonError, match="holds no sae_weights"):
        import_saelens(tmp_path / "k")
    (tmp_path / "gated" / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(GnomonError, match="cannot be read"):
        import_saelens(tmp_path / "gated")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    with pytest.raises(GnomonError, match="something else"):
        export_saelens(_dictionary("relu"), tmp_path / "mine")
