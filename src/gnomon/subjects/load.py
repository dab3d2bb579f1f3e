"""Loading a Hugging Face model as a subject."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from gnomon.errors import GnomonError
from gnomon.subjects.checkpoint import Checkpoint, find_checkpoint
from gnomon.subjects.losses import CrossEntropy, Loss, MaskedToken, NextToken, SquaredError
from gnomon.subjects.subject import Subject

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)
_CONTEXTS = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length")
# what the loaders of transformers raise for a checkpoint that they cannot use
_LOADING_ERRORS = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, ImportError)


def load(
    path: str | os.PathLike[str],
    *,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    trust_remote_code: bool = False,
    name: str = "",
) -> Subject:
    """The causal or masked language model, encoder, or sequence or image classifier in ``path``.

    The loss follows from the architecture that ``config.json`` names: the next token, hidden tokens, the class, or
    none for an encoder. Weights are read from safetensors only, in ``dtype``; the model's default attention is kept.

    Parameters
    ----------
    path : a directory, or the name of a model on the Hugging Face hub.
    dtype, device : of the weights in memory.
    trust_remote_code : whether Python files that come with the checkpoint may be run.
    name : for reports; the directory's name or the hub id by default.

    Raises
    ------
    GnomonError : in one line, when the checkpoint is missing, incomplete, pickled, truncated, corrupt or quantised,
        when weights are missing or NaN, when the architecture is none of the above, or when the tokenizer has more
        tokens than the network.

    Cost: reads every weight once; three forward passes over six tokens (or two images).
    """
    target = _device(device)
    with _silence():
        checkpoint = find_checkpoint(path, trust_remote_code=trust_remote_code)
        kind, loss = _kind(checkpoint, trust_remote_code=trust_remote_code)
        model = _model(kind, checkpoint, dtype, trust_remote_code=trust_remote_code)
        tokenizer = _tokenizer(checkpoint, model, trust_remote_code=trust_remote_code)
        if tokenizer is not None and getattr(model.config, "pad_token_id", None) is None:
            # a sequence classifier must know the padding to find each text's last token
            model.config.pad_token_id = tokenizer.pad_token_id
        return Subject(
            model.to(target),
            loss=loss,
            name=name or checkpoint.name,
            context=_context(model),
            tokenizer=tokenizer,
        )


def _device(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise GnomonError(f"cannot use device {str(device)!r}: {reason}", mend="use cpu") from error


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No log lines, warnings or progress bars of transformers inside: what matters is checked and raised."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _kind(checkpoint: Checkpoint, *, trust_remote_code: bool) -> tuple[Any, Loss | None]:
    """The class to build, and its loss."""
    import transformers
    from transformers.models.auto import modeling_auto as auto

    config = checkpoint.config
    names = config.get("architectures") or []
    if not isinstance(names, list) or not names:
        raise GnomonError(f"{checkpoint.name}: config.json names no architecture", mend='add "architectures"')
    architecture = str(names[0])
    if "quantization_config" in config:
        raise GnomonError(f"{checkpoint.name}: its weights are quantised", mend="give the checkpoint in full precision")
    classifier = _classifier_loss(config)
    kinds: tuple[tuple[str, Any, Loss | None], ...] = (
        ("AutoModelForCausalLM", auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, NextToken()),
        ("AutoModelForMaskedLM", auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES, MaskedToken()),
        ("AutoModelForSequenceClassification", auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES, classifier),
        ("AutoModelForImageClassification", auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, classifier),
        ("AutoModel", auto.MODEL_MAPPING_NAMES, None),
    )
    if not config.get("is_encoder_decoder"):
        own = config.get("auto_map") or {}
        for automatic, architectures, loss in kinds:
            if architecture in _flat(architectures.values()):
                return getattr(transformers, architecture), loss
            if trust_remote_code and str(own.get(automatic, "")).endswith(f".{architecture}"):
                return getattr(transformers, automatic), loss
        if own and not hasattr(transformers, architecture):
            raise GnomonError(
                f"{checkpoint.name}: {architecture} needs Python code that comes with the checkpoint",
                mend="pass trust_remote_code=True if you trust it",
            )
    raise GnomonError(
        f"{checkpoint.name}: {architecture} is no architecture that can be measured",
        mend="give a causal or masked language model, an encoder, or a sequence or image classifier",
    )


def _flat(values: Any) -> Iterator[str]:
    for value in values:
        yield from (value,) if isinstance(value, str) else value


def _classifier_loss(config: dict[str, Any]) -> Loss | None:
    labels = config.get("id2label")
    problem = config.get("problem_type")
    if problem == "multi_label_classification":
        return None
    if problem == "regression" or (labels is not None and len(labels) == 1):
        return SquaredError()
    return CrossEntropy()


def _model(kind: Any, checkpoint: Checkpoint, dtype: torch.dtype, *, trust_remote_code: bool) -> Any:
    from huggingface_hub.errors import StrictDataclassError

    options = {"trust_remote_code": True} if trust_remote_code else {}
    try:
        with torch.random.fork_rng(devices=[]):  # weights that the checkpoint lacks are drawn, and then refused
            model, report = kind.from_pretrained(
                checkpoint.directory,
                dtype=dtype,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are refused below, by name
                output_loading_info=True,
                **options,
            )
    except (*_LOADING_ERRORS, StrictDataclassError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise GnomonError(f"cannot load {checkpoint.name}: {reason}", mend="check its config.json") from error
    for name, held, expected in sorted(report["mismatched_keys"]):
        raise GnomonError(
            f"{checkpoint.name}: weight {name!r} is {tuple(held)}, its config.json makes it {tuple(expected)}",
            mend="mend the sizes in config.json",
        )
    missing = sorted(report["missing_keys"])
    if missing:
        raise GnomonError(
            f"{checkpoint.name} lacks {len(missing)} of the weights of {type(model).__name__}: {_some(missing)}",
            mend='name in "architectures" the class that it was saved from',
        )
    _check_depth(checkpoint, model, report["unexpected_keys"])
    model.eval()
    return model


def _check_depth(checkpoint: Checkpoint, model: nn.Module, unexpected: Any) -> None:
    """Heads that are not used may be left unread, whole blocks may not."""
    lengths = {n: len(m) for n, m in model.named_modules() if isinstance(m, nn.ModuleList)}
    for key in sorted(unexpected):
        for path, length in lengths.items():
            head, _, rest = key.rpartition(f"{path.rpartition('.')[2]}.")
            number = rest.split(".")[0]
            if path.startswith(head.rstrip(".")) and number.isdigit() and int(number) >= length:
                raise GnomonError(
                    f"{checkpoint.name} holds block {number} ({key}), its config.json has only {length}",
                    mend="mend the number of layers in config.json",
                )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _tokenizer(checkpoint: Checkpoint, model: Any, *, trust_remote_code: bool) -> Any:
    """The checkpoint's tokenizer; ``None`` where it has none or the network takes no tokens."""
    if model.main_input_name != "input_ids" or not any((checkpoint.directory / f).exists() for f in _TOKENIZER_FILES):
        return None
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint.directory, trust_remote_code=trust_remote_code)
        size = int(tokenizer.vocab_size)
    except Exception as error:  # tokenizers raises bare exceptions for a malformed file
        raise GnomonError(f"cannot read the tokenizer of {checkpoint.name}: {error}", mend="fetch it anew") from error
    rows = model.get_input_embeddings().weight.shape[0]
    if size > rows:
        raise GnomonError(
            f"the tokenizer of {checkpoint.name} has {size} tokens, the network knows {rows}",
            mend="use the tokenizer that it was trained with",
        )
    return tokenizer


def _context(model: Any) -> int | None:
    """The longest sequence that the network has positions for."""
    config = model.config.get_text_config()
    stated = next((int(n) for c in _CONTEXTS if (n := getattr(config, c, None))), None)
    if stated is None or model.main_input_name != "input_ids":
        return None
    # some tables of positions begin after the padding's own row
    tables = [m for m in model.modules() if isinstance(m, nn.Embedding) and m.num_embeddings == stated]
    offsets = [m.padding_idx + 1 for m in tables if m.padding_idx is not None and m is not model.get_input_embeddings()]
    return stated - max(offsets, default=0)
