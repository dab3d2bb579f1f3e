"""Dictionaries in the file layout of SAELens: ``cfg.json`` beside ``sae_weights.safetensors``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.dictionaries.architectures import architecture, build
from gnomon.structure.dictionaries.dictionary import Dictionary

CONFIGURATION, WEIGHTS = "cfg.json", "sae_weights.safetensors"
_LAYOUT = "6.54.12"  # the version whose layout is written; without a version SAELens takes a file for one before 6.0
_EQUAL = 1e-4  # relative difference at which norms of directions count as equal
_WRITTEN = {
    "relu": "standard",
    "top_k": "topk",
    "batch_top_k": "jumprelu",
    "jump_relu": "jumprelu",
    "matryoshka": "jumprelu",
}
_TRANSCODERS = {"standard": "transcoder", "jumprelu": "jumprelu_transcoder"}
# what can be read, and whether it is a transcoder; the last two are checkpoints of training
_READ = {
    "standard": False,
    "topk": False,
    "jumprelu": False,
    "transcoder": True,
    "jumprelu_transcoder": True,
    "batchtopk": False,
    "matryoshka_batchtopk": False,
}


def export_saelens(
    dictionary: Dictionary, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None
) -> Path:
    r"""Write ``dictionary`` to the directory ``path`` as SAELens writes its own.

    SAELens decodes :math:`\hat y = W_\mathrm{dec}^\top a + b_\mathrm{dec}` from :math:`a = \phi(W_\mathrm{enc}^\top (x
    - b_\mathrm{dec}) + b_\mathrm{enc})`. With our directions D, scaled by :math:`s_y` and centred at :math:`\mu_x`,

    .. math:: W_\mathrm{dec} = D, \quad b_\mathrm{dec} = s_y b_d + \mu_y, \quad
       W_\mathrm{enc} = \tfrac{s_y}{s_x} E^\top, \quad
       b_\mathrm{enc} = s_y b_e + \tfrac{s_y}{s_x} E (b_\mathrm{dec} - \mu_x),

    and thresholds times :math:`s_y`, activations are ours times :math:`s_y` and reconstructions the same to rounding. A
    transcoder of SAELens takes nothing off its input, and :math:`b_\mathrm{enc} = s_y b_e - \frac{s_y}{s_x} E \mu_x`.

    BatchTopK and Matryoshka become ``jumprelu`` with one threshold, as SAELens does with its own.

    Parameters
    ----------
    metadata : what SAELens keeps beside, such as ``model_name`` and ``hook_name``.

    Raises
    ------
    GnomonError : for a TopK transcoder, which that layout has not; when something else is at ``path``, or it cannot be
        written.
    """
    target = Path(path)
    name = _WRITTEN.get(dictionary.kind)
    if name is None or (dictionary.transcodes and name == "topk"):
        what = f"a {dictionary.kind} {'transcoder' if dictionary.transcodes else 'autoencoder'}"
        raise GnomonError(f"the layout of SAELens has no place for {what}", mend="keep it as an artefact of gnomon")
    tensors = {key: value.detach().cpu().double() for key, value in dictionary.state_dict().items()}
    mean, scale = tensors["input_mean"], tensors["target_scale"]
    gain = scale / tensors["input_scale"]
    centre = scale * tensors["decoder_bias"] + tensors["target_mean"]
    taken_off = torch.zeros_like(mean) if dictionary.transcodes else centre
    weights = {
        "W_enc": gain * tensors["encoder"].T,
        "b_enc": scale * tensors["encoder_bias"] + gain * tensors["encoder"] @ (taken_off - mean),
        "W_dec": tensors["decoder"],
        "b_dec": centre,
    }
    if name == "jumprelu":
        threshold = tensors["log_threshold"].exp() if "log_threshold" in tensors else tensors["threshold"]
        weights["threshold"] = (scale * threshold).expand(dictionary.latents)
    configuration: dict[str, Any] = {
        "architecture": _TRANSCODERS[name] if dictionary.transcodes else name,
        "d_in": len(mean),
        "d_sae": dictionary.latents,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": not dictionary.transcodes,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {**(metadata or {}), "sae_lens_version": _LAYOUT, "sae_lens_training_version": None},
    }
    if dictionary.transcodes:
        configuration["d_out"] = len(centre)
    if name == "topk":
        options = dictionary.architecture.model_dump()
        configuration |= {"k": options["k"], "rescale_acts_by_decoder_norm": False}
    _write(target, configuration, {key: value.float().contiguous() for key, value in weights.items()})
    return target


def import_saelens(path: str | os.PathLike[str]) -> tuple[Dictionary, dict[str, Any]]:
    """Read a directory that SAELens wrote; returns the dictionary, in evaluation mode, and SAELens's metadata.

    Read are ``standard``, ``topk``, ``jumprelu``, ``transcoder`` and ``jumprelu_transcoder``, and the training
    checkpoints ``batchtopk`` and ``matryoshka_batchtopk``, with the threshold that SAELens would put in their place.
    Directions are brought to unit length, their lengths going to the activations. Reconstructions are the same to
    rounding.

    Raises
    ------
    GnomonError : when a file is missing or damaged; for other architectures or activations, inputs that are normalised
        one by one, and a TopK whose choice depends on the lengths of its directions in a way that unit ones cannot
        keep.
    """
    source = Path(path)
    configuration, weights = _read(source)
    name = _checked(configuration, source)
    transcodes = _READ[name]
    try:
        encoder, bias = weights["W_enc"].T.double(), weights["b_enc"].double()
        decoder, centre = weights["W_dec"].double(), weights["b_dec"].double()
        threshold = _threshold(name, weights, len(decoder))
    except KeyError as error:
        raise GnomonError(f"{source / WEIGHTS} has no {error}", mend="save it anew with SAELens") from error
    if encoder.shape[0] != len(decoder) or bias.shape != encoder.shape[:1] or centre.shape != decoder.shape[1:]:
        raise GnomonError(f"{source / WEIGHTS}: the shapes do not belong together", mend="save it anew with SAELens")
    unit, lengths = _unit(decoder)
    by_length = bool(configuration.get("rescale_acts_by_decoder_norm", False))
    if name == "topk" and not by_length:
        _check_choice(lengths, source)
    kind, options = _kind(name, configuration, source)
    spec = architecture(kind, latents=len(decoder), **options)
    dictionary = build(spec, encoder.shape[1], len(centre) if transcodes else None, Rng(0))
    subtracts = bool(configuration.get("apply_b_dec_to_input", True)) and not transcodes
    state = {
        "encoder": lengths[:, None] * encoder,
        "encoder_bias": lengths * bias,
        "decoder": unit,
        "decoder_bias": torch.zeros_like(centre),
        "input_mean": centre if subtracts else torch.zeros(encoder.shape[1]),
        "input_scale": torch.ones(()),
        "target_mean": centre,
        "target_scale": torch.ones(()),
    }
    if threshold is not None:
        # one that was learned for activations times the lengths is of those already
        scaled = threshold if by_length else threshold * lengths
        state["log_threshold"] = scaled.clamp(min=torch.finfo(torch.float32).tiny).log()
    dictionary.load_state_dict({key: value.float() for key, value in state.items()})
    return dictionary.eval(), dict(configuration.get("metadata") or {})


def _unit(decoder: Tensor) -> tuple[Tensor, Tensor]:
    """Directions of unit length and their lengths; one of length 0 becomes any, which is never active."""
    lengths = decoder.norm(dim=1)
    unit = decoder / lengths.clamp(min=torch.finfo(torch.float64).tiny)[:, None]
    unit[lengths == 0, 0] = 1.0
    return unit, lengths


def _threshold(name: str, weights: Mapping[str, Tensor], latents: int) -> Tensor | None:
    if name.endswith("batchtopk"):
        return weights["topk_threshold"].double().expand(latents)
    return weights["threshold"].double() if name.startswith("jumprelu") else None


def _kind(name: str, configuration: Mapping[str, Any], source: Path) -> tuple[str, dict[str, Any]]:
    if name != "topk":
        return ("relu" if name in ("standard", "transcoder") else "jump_relu"), {}
    k = configuration.get("k", (configuration.get("activation_fn_kwargs") or {}).get("k"))
    if not isinstance(k, int):
        raise GnomonError(f"{source / CONFIGURATION} does not say how many latents are active", mend="add k to it")
    return "top_k", {"k": k}


def _check_choice(lengths: Tensor, source: Path) -> None:
    """Raises GnomonError where directions differ in length: with unit ones TopK would choose otherwise."""
    if float(lengths.max() - lengths.min()) > _EQUAL * float(lengths.max()):
        raise GnomonError(
            f"{source}: TopK chooses without regard to the lengths of directions, which lie between "
            f"{float(lengths.min()):.3g} and {float(lengths.max()):.3g}; unit directions cannot keep that",
            mend="train with rescale_acts_by_decoder_norm",
        )


def _checked(configuration: Mapping[str, Any], source: Path) -> str:
    """The architecture. Raises GnomonError where ours cannot express what the configuration says."""
    name = configuration.get("architecture", "standard")
    activation = configuration.get("activation_fn", configuration.get("activation_fn_str", "relu"))
    if name == "standard" and activation == "topk":
        name = "topk"
    elif activation not in ("relu", "topk"):
        raise GnomonError(f"{source}: activation {activation!r} is none of ours", mend="relu and topk are")
    if name not in _READ:
        raise GnomonError(
            f"{source}: architecture {name!r} is none of ours", mend=f"those that can be read are {', '.join(_READ)}"
        )
    normalised = configuration.get("normalize_activations", "none")
    if normalised not in ("none", None, False):
        raise GnomonError(
            f"{source} normalises activations ({normalised}), which its weights do not hold",
            mend="fold the normalisation into the weights with SAELens first",
        )
    if configuration.get("finetuning_scaling_factor"):
        raise GnomonError(f"{source} has a scaling factor of finetuning, which ours have not", mend="fold it first")
    return str(name)


def _read(source: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    for name in (CONFIGURATION, WEIGHTS):
        if not (source / name).is_file():
            raise GnomonError(f"{source} holds no {name}", mend="give a directory that SAELens wrote")
    try:
        configuration = json.loads((source / CONFIGURATION).read_text(encoding="utf-8"))
        weights = load_file(source / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise GnomonError(f"{source} cannot be read: {error}", mend="save it anew with SAELens") from error
    if not isinstance(configuration, dict):
        raise GnomonError(f"{source / CONFIGURATION} is no JSON object", mend="save it anew with SAELens")
    return configuration, weights


def _write(target: Path, configuration: Mapping[str, Any], weights: dict[str, Tensor]) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())) and not (target / CONFIGURATION).is_file():
        raise GnomonError(f"{target} exists and holds something else", mend="give another directory or remove it")
    parts = {name: target / f".{name}.{os.getpid()}" for name in (WEIGHTS, CONFIGURATION)}
    try:
        target.mkdir(parents=True, exist_ok=True)
        save_file(weights, parts[WEIGHTS])
        parts[CONFIGURATION].write_text(json.dumps(configuration, indent=2), encoding="utf-8")
        for name, part in parts.items():
            part.replace(target / name)
    except (OSError, SafetensorError) as error:
        raise GnomonError(f"cannot write {target}: {error}", mend="free space, or give another directory") from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
