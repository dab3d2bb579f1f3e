"""Loading checkpoints: the same network, or one line that says what is wrong."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_networks import CONTEXT, NAMES, network

from gnomon.errors import GnomonError
from gnomon.subjects import CrossEntropy, MaskedToken, NextToken, SquaredError, load


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Directories of saved models, made once."""
    import transformers

    root, made = tmp_path_factory.mktemp("models"), {}

    def get(name: str) -> Path:
        if name not in made:
            transformers.utils.logging.disable_progress_bar()
            network(name).save_pretrained(root / name)
            transformers.utils.logging.enable_progress_bar()
            made[name] = root / name
        return made[name]

    return get


@pytest.fixture
def broken(saved, tmp_path):
    """A copy of a saved model to break."""

    def get(name: str = "llama") -> Path:
        return Path(shutil.copytree(saved(name), tmp_path / name))

    return get


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Any attempt to reach the network is a failure of the test, unless it asks for one."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


LOSSES = {"bert": MaskedToken, "bert_classifier": CrossEntropy, "vit": CrossEntropy}
LOSSES |= {"bert_encoder": type(None), "vit_encoder": type(None)}


@pytest.mark.parametrize("name", NAMES)
def test_a_loaded_model_is_the_saved_one(name, saved, batch_of):
    subject = load(saved(name))
    batch = batch_of(name)
    with torch.no_grad():
        plain = network(name)(*batch.args, **batch.kwargs)
        plain = plain.last_hidden_state if name.endswith("encoder") else plain.logits
        assert torch.equal(subject.output(batch), plain)
    assert isinstance(subject.loss, LOSSES.get(name, NextToken))
    assert subject.name == name
    assert subject.context == (None if name in ("mamba", "vit", "vit_encoder") else CONTEXT)
    assert not subject.module.training
    assert subject.tokenizer is None
    assert next(subject.module.parameters()).dtype == torch.float32


def test_precision_and_name(saved):
    subject = load(saved("llama"), dtype=torch.bfloat16, name="mine")
    assert {p.dtype for p in subject.module.parameters()} == {torch.bfloat16}
    assert subject.name == "mine"


def test_the_context_of_a_table_of_positions_that_begins_after_the_padding(tmp_path):
    """RoBERTa's table of n positions has room for n − padding − 1 tokens, and for no more."""
    import transformers

    config = transformers.RobertaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=20, pad_token_id=1,
    )  # fmt: skip
    save(transformers.RobertaForMaskedLM(config), tmp_path)
    subject = load(tmp_path)
    assert subject.context == 18
    with torch.no_grad():
        assert subject.module(input_ids=torch.full((1, 18), 5)).logits.shape == (1, 18, 64)
        with pytest.raises((IndexError, RuntimeError)):
            subject.module(input_ids=torch.full((1, 19), 5))


def save(model, path: Path) -> None:
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(path)
    logging.enable_progress_bar()


@pytest.mark.parametrize(
    ("settings", "loss"),
    [
        ({"id2label": {"0": "x"}, "label2id": {"x": 0}}, SquaredError),
        ({"problem_type": "regression"}, SquaredError),
        ({"problem_type": "multi_label_classification"}, type(None)),
    ],
)
def test_the_loss_of_a_classifier_follows_from_its_configuration(settings, loss, broken):
    path = broken("bert_classifier")
    rewrite(path, **settings)
    if "id2label" in settings:
        weights = load_file(path / "model.safetensors")
        weights |= {n: weights[n][:1].clone() for n in ("classifier.weight", "classifier.bias")}
        save_file(weights, path / "model.safetensors", {"format": "pt"})
    assert isinstance(load(path).loss, loss)


def rewrite(path: Path, **settings) -> None:
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **settings}))


def message(path, **options) -> str:
    with pytest.raises(GnomonError) as caught:
        load(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.mend
    return text


@pytest.mark.parametrize("path", ["./nowhere", "/nowhere/at/all", "a/b/c", "~/nowhere-at-all", "tests/nowhere"])
def test_a_directory_that_is_not_there_asks_no_network(path, monkeypatch):
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    assert message(path) == f"no directory {path!r}; give an existing directory or a hub id"


def test_a_hub_id_that_cannot_be_reached(monkeypatch, tmp_path):
    def unreachable(*_args, **_kwargs):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    found = message("somebody/no-such-model")
    assert found.startswith("no directory 'somebody/no-such-model', and it cannot be fetched from the hub")


def test_a_file_in_place_of_a_directory(broken):
    path = broken()
    assert "is a file, not a checkpoint directory" in message(path / "model.safetensors")
    (path / "model.pt").write_bytes(b"")
    assert "is a pickle, not a checkpoint directory" in message(path / "model.pt")


def test_a_pickle_is_never_read(broken):
    path = broken()
    weights = load_file(path / "model.safetensors")
    (path / "model.safetensors").unlink()
    torch.save(weights, path / "pytorch_model.bin")
    found = message(path)
    assert "holds its weights as a pickle (pytorch_model.bin), which can run code when it is read" in found


def test_no_weights_at_all(broken):
    path = broken()
    (path / "model.safetensors").unlink()
    assert "no model.safetensors in" in message(path)


def test_no_configuration(broken):
    path = broken()
    (path / "config.json").unlink()
    assert "no config.json in" in message(path)


@pytest.mark.parametrize("content", ["{", "[1]", '{"architectures": []}', '{"model_type": "llama"}', "\xff\xfe"])
def test_a_malformed_configuration(content, broken):
    path = broken()
    (path / "config.json").write_bytes(content.encode("latin-1"))
    assert "config.json" in message(path)


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.999])
def test_truncated_weights(keep, broken):
    path = broken() / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    assert f"{path} is truncated or corrupt" in message(path.parent)


def test_corrupt_weights(broken):
    path = broken() / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[10:40] = b"x" * 30
    path.write_bytes(content)
    assert "is truncated or corrupt" in message(path.parent)


def test_shards(broken):
    path = broken()
    weights = load_file(path / "model.safetensors")
    (path / "model.safetensors").unlink()
    names = list(weights)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, part in halves.items():
        save_file({n: weights[n] for n in part}, path / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {n: f for f, part in halves.items() for n in part}}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert torch.equal(load(path).module.lm_head.weight, weights["lm_head.weight"])
    (path / "b.safetensors").unlink()
    assert "names 'b.safetensors', which is missing" in message(path)
    (path / "model.safetensors.index.json").write_text("{}")
    assert "has no weight_map" in message(path)


def test_a_head_that_the_checkpoint_lacks_is_not_made_up(broken):
    path = broken("bert_encoder")
    rewrite(path, architectures=["BertForSequenceClassification"])
    found = message(path)
    assert "lacks 2 of the weights of BertForSequenceClassification: classifier.bias, classifier.weight" in found


def test_blocks_that_the_checkpoint_lacks_or_has_too_many(broken):
    path = broken()
    rewrite(path, num_hidden_layers=3)
    assert "lacks 9 of the weights of LlamaForCausalLM: model.layers.2." in message(path)
    rewrite(path, num_hidden_layers=1)
    assert "holds block 1 (model.layers.1.input_layernorm.weight), its config.json has only 1" in message(path)


def test_weights_of_another_shape(broken):
    path = broken()
    rewrite(path, intermediate_size=40)
    expected = "llama: weight 'model.layers.0.mlp.down_proj.weight' is (16, 24), its config.json makes it (16, 40)"
    assert message(path).startswith(expected)


@pytest.mark.parametrize("settings", [{"num_attention_heads": 3}, {"hidden_act": "nope"}, {"vocab_size": "x"}])
def test_a_configuration_that_makes_no_sense(settings, broken):
    path = broken()
    rewrite(path, **settings)
    assert message(path).startswith("cannot load llama: ")


def test_weights_that_are_nan(broken):
    path = broken() / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"][3] = float("nan")
    save_file(weights, path, {"format": "pt"})
    assert "weight 'model.norm.weight' holds NaN or infinite numbers" in message(path.parent)


def test_architectures_that_cannot_be_measured(broken):
    path = broken()
    rewrite(path, architectures=["T5ForConditionalGeneration"], is_encoder_decoder=True)
    assert "T5ForConditionalGeneration is no architecture that can be measured" in message(path)
    rewrite(path, architectures=["NoSuchModel"], is_encoder_decoder=False)
    assert "NoSuchModel is no architecture that can be measured" in message(path)


def test_quantised_weights(broken):
    path = broken()
    rewrite(path, quantization_config={"quant_method": "bitsandbytes"})
    assert "its weights are quantised" in message(path)


def test_code_of_a_checkpoint_is_run_only_if_asked_for(broken, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    path = broken()
    proof = tmp_path / "ran"
    (path / "modeling_mine.py").write_text(
        f"open({str(proof)!r}, 'w').close()\n"
        "from transformers import LlamaForCausalLM\n"
        "class MineForCausalLM(LlamaForCausalLM):\n    pass\n"
    )
    rewrite(path, architectures=["MineForCausalLM"], auto_map={"AutoModelForCausalLM": "modeling_mine.MineForCausalLM"})
    assert "MineForCausalLM needs Python code that comes with the checkpoint; pass trust_remote_code=True" in message(
        path
    )
    assert not proof.exists()
    subject = load(path, trust_remote_code=True)
    assert proof.exists()
    assert isinstance(subject.loss, NextToken)
    assert "blocks.1.mlp" in subject.sites


def test_a_device_that_is_not_there(saved):
    assert message(saved("llama"), device="tpu0").startswith("cannot use device 'tpu0'")


def tokenizer_of(size: int) -> str:
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"[UNK]": 0, **{f"w{i}": i for i in range(1, size)}}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made.to_str()


def test_the_tokenizer_comes_along(broken):
    path = broken()
    (path / "tokenizer.json").write_text(tokenizer_of(64))
    assert list(load(path).tokenizer("w3 w1")["input_ids"]) == [3, 1]


def test_a_tokenizer_of_another_network(broken):
    path = broken()
    (path / "tokenizer.json").write_text(tokenizer_of(65))
    assert "the tokenizer of llama has 65 tokens, the network knows 64" in message(path)
    (path / "tokenizer.json").write_text("{")
    assert "cannot read the tokenizer of llama" in message(path)


def test_a_sequence_classifier_of_a_decoder_reads_the_last_token_of_each_text(tmp_path):
    import transformers

    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=64, n_positions=32, n_embd=16, n_layer=1, n_head=2, num_labels=3)
    config.bos_token_id = config.eos_token_id = 2
    model = transformers.GPT2ForSequenceClassification(config).eval()
    save(model, tmp_path)
    (tmp_path / "tokenizer.json").write_text(tokenizer_of(60))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[UNK]"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    subject = load(tmp_path)
    assert list(subject.sites)[-2:] == ["final_norm", "logits"]
    ids = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]])
    with torch.no_grad():
        both = subject.module(input_ids=ids, attention_mask=(ids != 0).long()).logits
        alone = model(input_ids=ids[1:, :2]).logits
    torch.testing.assert_close(both[1:], alone)


def test_nothing_is_printed(saved):
    """Neither bars nor warnings on either stream, and transformers' own settings are as they were."""
    code = (
        "import sys; from gnomon.subjects import load\n"
        "import transformers.utils.logging as l; before = l.get_verbosity(), l.is_progress_bar_enabled()\n"
        "for path in sys.argv[1:]: load(path)\n"
        "assert before == (l.get_verbosity(), l.is_progress_bar_enabled())"
    )
    paths = [str(saved(n)) for n in ("mamba", "rwkv", "gpt2")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_loading_leaves_the_global_random_state_alone(saved, broken):
    before = torch.get_rng_state()
    load(saved("bert"))
    path = broken("bert_encoder")
    rewrite(path, architectures=["BertForSequenceClassification"])
    message(path)  # transformers draws the head that is missing
    assert torch.equal(before, torch.get_rng_state())


def test_importing_subjects_imports_no_transformers():
    code = "import sys, gnomon.subjects; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


@pytest.mark.shared
def test_the_stories_model_and_its_loss(shared_data):
    """The mean next-token loss of fifty stories equals that of a plain transformers loop."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from gnomon.subjects import Reads, capture, load_data

    subject = load(shared_data / "stories260K")
    assert list(subject.sites)[:4] == ["embed", "blocks.0.attention", "blocks.0.mlp", "blocks.0"]
    assert len([s for s in subject.sites if s.startswith("blocks.")]) == 15
    data = load_data(shared_data / "stories_sampled.txt", subject, limit=50)
    values = [
        subject.loss.values(capture(subject, batch, Reads(predictions=True)).predictions).double()
        for batch in data.batches(max_positions=4096)
    ]
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(shared_data / "stories260K")
    model = AutoModelForCausalLM.from_pretrained(shared_data / "stories260K").eval()
    logging.enable_progress_bar()
    total = count = 0
    with torch.no_grad():
        for line in (shared_data / "stories_sampled.txt").read_text().splitlines()[:50]:
            ids = tokenizer(line, return_tensors="pt").input_ids
            count += ids.shape[1] - 1
            total += float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
    found = torch.cat(values)
    assert len(found) == count
    assert abs(float(found.mean()) - total / count) < 1e-5
