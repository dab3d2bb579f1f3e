"""Data from files: what a plain loop would feed, and one line for each thing that can be wrong."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch
from tiny_networks import CONTEXT, MLP, network

from gnomon.errors import GnomonError
from gnomon.subjects import (
    ArrayData,
    CrossEntropy,
    MaskedToken,
    NextToken,
    SquaredError,
    Subject,
    TokenData,
    load_data,
)

BOS, SEP, PAD, MASK, UNK = 1, 2, 0, 3, 4


def tokenizer(kind: str):
    """Words w5 … w63 are tokens 5 … 63; texts begin with a BOS, and for BERT end with a separator."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = {"[PAD]": PAD, "<s>": BOS, "[SEP]": SEP, "[MASK]": MASK, "[UNK]": UNK}
    made = Tokenizer(models.WordLevel({**special, **{f"w{i}": i for i in range(5, 64)}}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    template = "<s> $A [SEP]" if kind == "bert" else "<s> $A"
    made.post_processor = processors.TemplateProcessing(template, special_tokens=[("<s>", BOS), ("[SEP]", SEP)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", bos_token="<s>", sep_token="[SEP]", mask_token="[MASK]",
        unk_token="[UNK]",
    )  # fmt: skip


@pytest.fixture(scope="session")
def causal() -> Subject:
    made = tokenizer("gpt2")
    return Subject(network("gpt2"), loss=NextToken(), context=CONTEXT, tokenizer=made, name="tiny")


@pytest.fixture(scope="session")
def masked() -> Subject:
    return Subject(network("bert"), loss=MaskedToken(), context=CONTEXT, tokenizer=tokenizer("bert"), name="tiny")


@pytest.fixture(scope="session")
def classifier() -> Subject:
    made = tokenizer("bert")
    return Subject(network("bert_classifier"), loss=CrossEntropy(), context=CONTEXT, tokenizer=made, name="tiny")


@pytest.fixture
def file(tmp_path):
    def write(name: str, content: str | bytes):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def tokens(data: TokenData) -> list[list[int]]:
    return [s.tolist() for s in data.sequences]


def message(path, subject, **options) -> str:
    with pytest.raises(GnomonError) as caught:
        load_data(path, subject, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_text_a_line_with_the_tokenizers_own_special_tokens(causal, file):
    data = load_data(file("a.txt", "w5 w6\r\n\n   \nw7 w8 w9\n"), causal)
    assert tokens(data) == [[BOS, 5, 6], [BOS, 7, 8, 9]]
    assert tokens(data) == causal.tokenizer(["w5 w6", "w7 w8 w9"])["input_ids"]
    assert data.description == "a.txt: 2 texts"
    assert data.pad == PAD
    assert data.clusters.tolist() == [0, 1]
    batch = data.batch([0, 1])
    assert batch.kwargs["input_ids"].tolist() == [[BOS, 5, 6, PAD], [BOS, 7, 8, 9]]
    assert batch.kwargs["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


def test_odd_line_ends_and_marks_belong_to_the_text(causal, file):
    data = load_data(file("a.txt", "\ufeffw5 w6\u2028w7\nw8 w9"), causal)
    assert tokens(data) == [[BOS, 5, 6, 7], [BOS, 8, 9]]


def test_json_lines(causal, file):
    rows = [{"text": "w5 w6", "id": 1}, {"text": "w7 w8", "id": 2}]
    content = "\n".join(map(json.dumps, rows)) + "\n\n"
    assert tokens(load_data(file("a.jsonl", content), causal)) == [[BOS, 5, 6], [BOS, 7, 8]]
    named = content.replace("text", "story")
    assert tokens(load_data(file("b.jsonl", named), causal, column="story")) == [[BOS, 5, 6], [BOS, 7, 8]]


def test_tables(causal, file):
    content = 'text,group\n"w5, w6",a\nw7 w8,b\n"w9\nw10",a\n'
    path = file("a.csv", content)
    data = load_data(path, causal, cluster="group")
    assert tokens(data) == [[BOS, 5, UNK, 6], [BOS, 7, 8], [BOS, 9, 10]]
    assert data.clusters.tolist() == [0, 1, 0]
    assert tokens(load_data(file("a.tsv", "story\nw5 w6\nw7, w8"), causal)) == [[BOS, 5, 6], [BOS, 7, UNK, 8]]
    assert load_data(path, causal, limit=2).description == "a.csv: 2 texts"


def test_one_text_is_data(causal, file):
    assert len(load_data(file("a.txt", "w5 w6"), causal)) == 1


def test_classes_by_index_and_by_name(classifier, file):
    data = load_data(file("a.csv", "text,label\nw5,0\nw6,LABEL_2\nw7,1\n"), classifier)
    assert data.targets.tolist() == [0, 2, 1]
    assert data.batch([1]).targets.tolist() == [2]
    assert load_data(file("b.csv", "text,kind\nw5,1\n"), classifier, label="kind").targets.tolist() == [1]
    assert load_data(file("c.csv", "text\nw5\n"), classifier).targets is None
    for wrong in ("3", "-1", "nice", ""):
        found = message(file("d.csv", f"text,label\nw5,0\nw6,{wrong}\n"), classifier)
        assert f"line 3: label {wrong!r} is no class of tiny; it has 3 classes: LABEL_0, LABEL_1, LABEL_2" in found


def test_labels_of_a_network_that_predicts_no_class_are_kept_if_asked_for(causal, file):
    path = file("a.csv", "text,label\nw5 w6,true\nw7 w8,false\nw9 w6,true\n")
    assert load_data(path, causal).targets is None
    assert load_data(path, causal, label="label").targets.tolist() == [0, 1, 0]


def test_numbers_for_a_regression(file):
    subject = Subject(
        network("bert_classifier"), loss=SquaredError(), context=CONTEXT, tokenizer=tokenizer("bert"), name="tiny"
    )
    data = load_data(file("a.csv", "text,label\nw5,0.5\nw6,-2\n"), subject)
    assert data.targets.tolist() == [0.5, -2.0]
    assert data.take(np.array([1])).batch([0]).targets.tolist() == [-2.0]
    assert "label 'x' is no finite number" in message(file("b.csv", "text,label\nw5,x\n"), subject)


def test_a_masked_model_hides_words_and_never_special_tokens(masked, file):
    path = file("a.txt", "\n".join(f"w{i} w{i + 1} w{i + 2} w{i + 3}" for i in range(5, 45)))
    data = load_data(path, masked, seed=3)
    batch = data.batch(range(40))
    ids, targets = batch.kwargs["input_ids"], batch.targets
    hidden = targets >= 0
    assert hidden.any(dim=1).all()  # at least one a text
    assert (ids[hidden] == MASK).all()
    assert not (ids[~hidden] == MASK).any()
    assert not hidden[:, 0].any()
    assert not hidden[:, 5].any()
    original = torch.tensor(tokens(data))
    assert torch.equal(torch.where(hidden, targets, ids), original)
    # the same for the same seed, whatever the batching
    again = load_data(path, masked, seed=3)
    assert data.digest == again.digest
    assert torch.equal(again.batch([7, 30]).targets, targets[[7, 30]])
    other = load_data(path, masked, seed=4)
    assert other.digest != data.digest
    assert not torch.equal(other.batch(range(40)).targets, targets)
    # at rate r, a text of four words has 4 r + (1 − r)⁴ hidden on average
    rate = load_data(path, masked, masking_rate=0.5)
    counts = [int((TokenDataAt(rate, seed).batch(range(40)).targets >= 0).sum()) for seed in range(50)]
    expected = 40 * (4 * 0.5 + 0.5**4)
    assert abs(np.mean(counts) - expected) < 4 * np.std(counts) / 50**0.5


def TokenDataAt(data: TokenData, seed: int) -> TokenData:  # noqa: N802
    from dataclasses import replace

    return TokenData(data.sequences, masking=replace(data.masking, seed=seed), special=data.special)


def test_texts_in_which_nothing_is_predicted_are_left_out_and_counted(causal, masked, file):
    bare = Subject(network("gpt2"), loss=NextToken(), tokenizer=lambda text: [int(w[1:]) for w in text.split()])
    data = load_data(file("a.txt", "w5\nw6 w7\nw8\n"), bare)
    assert tokens(data) == [[6, 7]]
    assert data.description == "a.txt: 3 texts, 2 too short to predict anything left out"
    assert "nothing is predicted in any of them; give longer texts" in message(file("b.txt", "w5\nw6\n"), bare)
    assert tokens(load_data(file("c.txt", "[SEP]\nw5"), masked)) == [[BOS, 5, SEP]]


LONG = " ".join(f"w{5 + i % 50}" for i in range(70))


def test_a_text_longer_than_the_context(causal, file):
    path = file("a.txt", f"w5 w6\n\n{LONG}\n")
    found = message(path, causal)
    assert found == (
        f"{path}, line 3 has 71 tokens, the context of tiny is 32; shorten it, or choose --overlong truncate or split"
    )


def test_truncation_is_that_of_the_tokenizer(causal, masked, file):
    path = file("a.txt", f"w5 w6\n{LONG}\n")
    for subject in (causal, masked):
        data = load_data(path, subject, overlong="truncate")
        plain = subject.tokenizer(["w5 w6", LONG], truncation=True, max_length=CONTEXT)["input_ids"]
        assert tokens(data) == plain
        assert data.description == "a.txt: 2 texts, 1 cut to the context"


def test_windows_hold_every_word_once_and_are_one_cluster(causal, masked, file):
    path = file("a.txt", f"w5 w6\n{LONG}\n")
    words = [5 + i % 50 for i in range(70)]
    for subject, frame in ((causal, 1), (masked, 2)):
        data = load_data(path, subject, overlong="split")
        short, *windows = tokens(data)
        assert [len(w) for w in windows] == [32, 32, 70 - 2 * (32 - frame) + frame]
        assert [t for w in windows for t in (w[1:] if frame == 1 else w[1:-1])] == words
        assert all(w[0] == BOS and (frame == 1 or w[-1] == SEP) for w in [short, *windows])
        assert data.clusters.tolist() == [0, 1, 1, 1]
        assert data.description == "a.txt: 2 texts in 4 windows"


def test_a_whole_file_is_one_text(causal, file):
    data = load_data(file("a.txt", LONG.replace(" w9 ", "\n\nw9\n")), causal, unit="file", overlong="split")
    assert len(data) == 3
    assert set(data.clusters.tolist()) == {0}
    assert data.description == "a.txt: 1 text in 3 windows"


def test_a_saved_dataset(causal, classifier, tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"text": ["w5 w6", "w7 w8"], "label": [2, 0]})
    datasets.disable_progress_bar()
    rows.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": rows, "test": rows.select([1])}).save_to_disk(str(tmp_path / "two"))
    assert tokens(load_data(tmp_path / "one", causal)) == [[BOS, 5, 6], [BOS, 7, 8]]
    assert load_data(tmp_path / "one", classifier).targets.tolist() == [2, 0]
    assert "has the splits train, test; say which" in message(tmp_path / "two", causal)
    assert tokens(load_data(tmp_path / "two", causal, split="test")) == [[BOS, 7, 8]]
    assert "unknown split of" in message(tmp_path / "two", causal, split="tset")
    for part in (tmp_path / "one").glob("*.arrow"):
        part.write_bytes(b"no")
    assert "cannot read the dataset" in message(tmp_path / "one", causal)


def test_a_dataset_without_the_package(causal, tmp_path, monkeypatch):
    (tmp_path / "state.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "datasets", None)
    expected = f"{tmp_path} needs the package datasets; pip install 'gnomon[datasets]'"
    assert message(tmp_path, causal) == expected


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", "", "holds no text; give at least one non-empty text"),
        ("a.txt", "\n  \n", "holds no text"),
        ("a.txt", b"w5 w6\nw7 \xff w8\n", "line 2: byte 0xff is not UTF-8; convert the file"),
        ("a.jsonl", '{"text": "w5"}\n{"text": \n', "line 2 is not JSON: Expecting value at column 10"),
        ("a.jsonl", '["w5"]\n', "line 1 is no JSON object"),
        ("a.jsonl", '{"text": 3}\n', "line 1: the text is a int; name a column that holds texts"),
        ("a.jsonl", '{"text": "w5 w6"}\n{"txt": "w5"}\n{"a": 1, "b": 2}', "line 3 has no column 'text' but a, b"),
        ("a.csv", "", "holds no text"),
        ("a.csv", "text\n", "holds no text"),
        ("a.csv", "a,b\nw5,w6\n", "line 2 has no column 'text' but a, b; say which holds the text: --column NAME"),
        ("a.csv", "text,b\nw5 w6,1\nw5,w6,2\n", "line 3 has 3 fields, the header has 2; quote texts"),
        ("a.csv", 'text,b\nw5 w6,1\n"w5\nw6,2\n', "line 4 is malformed: unexpected end of data"),
        ("a.csv", "text,text\nw5,w6\n", "two columns are called 'text'; rename one"),
        ("a.pdf", "w5", "unknown kind of file '.pdf'; give .txt, .jsonl"),
    ],
)
def test_what_can_be_wrong_with_a_file(name, content, said, causal, file):
    path = file(name, content)
    found = message(path, causal)
    assert said in found
    assert str(path) in found


def test_what_can_be_wrong_with_the_request(causal, file, tmp_path):
    path = file("a.csv", "text,label\nw5 w6,1\n")
    assert message(path, causal, column="txt") == f"unknown column of {path} 'txt'; did you mean 'text'?"
    assert "unknown column" in message(path, causal, label="lable")
    assert "unknown column" in message(path, causal, cluster="group")
    assert "unknown overlong 'cut'" in message(path, causal, overlong="cut")
    assert "unknown unit 'page'" in message(path, causal, unit="page")
    assert "limit 0 leaves no data" in message(path, causal, limit=0)
    assert message(tmp_path / "no.txt", causal) == f"no file '{tmp_path / 'no.txt'}'; give the path of an existing file"
    assert "is a directory and no saved dataset" in message(tmp_path, causal)
    assert "is plain text and has no columns" in message(file("a.txt", "w5"), causal, column="text")
    assert "MLP has no tokenizer and cannot read texts" in message(path, Subject(MLP()))


def test_tokens_that_the_network_does_not_know(file):
    subject = Subject(network("gpt2"), loss=NextToken(), tokenizer=lambda text: [5, 64], name="tiny")
    path = file("a.txt", "w5 w6")
    assert message(path, subject).startswith(f"{path}, line 1 holds token 64, tiny knows 64")


def test_a_masked_model_without_a_mask(file):
    subject = Subject(network("bert"), loss=MaskedToken(), tokenizer=lambda text: [5, 6], name="tiny")
    assert "the tokenizer of tiny has no mask token" in message(file("a.txt", "w5"), subject)


@pytest.fixture
def plain() -> Subject:
    return Subject(MLP(), loss=CrossEntropy(), data=ArrayData(np.zeros((2, 5))), name="plain")


def test_arrays(plain, tmp_path):
    draw = np.random.default_rng(0)
    inputs, targets = draw.normal(size=(6, 5)), np.array([0, 1, 2, 0, 1, 2])
    np.save(tmp_path / "a.npy", inputs)
    np.savez(tmp_path / "a.npz", inputs=inputs, targets=targets, clusters=[3, 3, 7, 7, 7, 1], x=inputs[:3])
    bare = load_data(tmp_path / "a.npy", plain)
    assert bare.targets is None
    assert torch.equal(bare.inputs, torch.tensor(inputs, dtype=torch.float32))
    full = load_data(tmp_path / "a.npz", plain)
    assert full.targets.tolist() == targets.tolist()
    assert full.clusters.tolist() == [1, 1, 2, 2, 2, 0]
    assert full.description == "a.npz: 6 examples"
    assert len(load_data(tmp_path / "a.npz", plain, limit=4)) == 4
    assert "targets have 6 rows, inputs have 3" in message(tmp_path / "a.npz", plain, column="x")
    assert "unknown array of" in message(tmp_path / "a.npz", plain, column="y")


def test_token_arrays(causal, masked, tmp_path):
    np.save(tmp_path / "a.npy", np.arange(5, 21).reshape(2, 8))
    data = load_data(tmp_path / "a.npy", causal)
    assert isinstance(data, TokenData)
    assert tokens(data) == [list(range(5, 13)), list(range(13, 21))]
    assert load_data(tmp_path / "a.npy", masked).masking is not None
    np.save(tmp_path / "b.npy", np.full((2, 33), 5))
    assert "sequences of 33 tokens, the context of tiny is 32" in message(tmp_path / "b.npy", causal)
    np.save(tmp_path / "c.npy", np.full((2, 3), 64))
    assert "row 0 holds token 64" in message(tmp_path / "c.npy", causal)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"inputs": np.full((3, 5), np.nan)}, "inputs hold NaN or infinite numbers; clean the data"),
        ({"inputs": np.zeros((0, 5))}, "is empty"),
        ({"inputs": np.zeros((3, 4))}, "MLP cannot be run on argument 1 (1, 4) float32"),
        ({"inputs": np.zeros((3, 5)), "targets": np.array([0, 1, 3])}, "targets 0 to 3 are no classes of plain"),
        ({"inputs": np.zeros((3, 5)), "targets": np.zeros(2)}, "targets have 2 rows, inputs have 3"),
        ({"inputs": np.array(["a", "b"])}, "give numbers"),
        ({"x": np.zeros((3, 5))}, "unknown array of"),
    ],
)
def test_what_can_be_wrong_with_arrays(arrays, said, plain, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    found = message(tmp_path / "a.npz", plain)
    assert said in found
    assert str(tmp_path / "a.npz") in found


def test_arrays_that_are_no_arrays(plain, tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert "holds Python objects; save numbers" in message(tmp_path / "a.npy", plain)
    for name in ("b.npy", "b.npz"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 no such thing")
        assert "is no readable" in message(tmp_path / name, plain)
    (tmp_path / "c.npy").write_bytes(b"")
    assert "is no readable" in message(tmp_path / "c.npy", plain)
