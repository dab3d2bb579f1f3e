"""Vectors of texts agree with a plain loop over the network, their gradients with finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_texts import subject, tokenizer

from gnomon.errors import GnomonError, UnknownNameError
from gnomon.randomness import Rng
from gnomon.structure.concepts import Concept, read_examples, read_vectors
from gnomon.structure.concepts.outputs import NextLogOdds, TextLoss, network_output
from gnomon.structure.concepts.positions import located
from gnomon.subjects import ArrayData, Subject, TokenData, visiting

TEXTS = (
    "the sun is hot",
    "the sun is cold",
    "rome is in italy",
    "rome is in peru very far in the new city",
    "sun",
    "very hot unheard",
)


def concept(texts: tuple[str, ...] = TEXTS, spans: list[tuple[int, int]] | None = None) -> Concept:
    n = len(texts)
    return Concept(
        name="small",
        texts=texts,
        labels=np.resize([1.0, -1.0], n),
        kind="binary",
        clusters=np.arange(n),
        spans=None if spans is None else np.array(spans),
    )


def states(network: Subject, text: str) -> list[torch.Tensor]:
    """Hidden states (positions, width) of one text, by transformers alone."""
    with torch.no_grad():
        found = network.module(
            **network.tokenizer(text, return_tensors="pt", return_token_type_ids=False), output_hidden_states=True
        )
    return [h[0] for h in found.hidden_states]


@pytest.mark.parametrize("kind", ["encoder", "causal"])
@pytest.mark.parametrize("position", ["last", "mean", "span"])
def test_they_are_those_of_a_plain_loop(kind, position) -> None:
    network = subject(kind)
    given = concept(spans=[(4, 10), (4, 10), (5, 10), (5, 15), (0, 3), (0, 8)])  # "sun is", …, "very hot"
    # BERT's embed is its first hidden state; both networks' last block is followed by nothing in BERT, a norm in GPT-2
    sites = ["embed", "blocks.0", "blocks.1"] if kind == "encoder" else ["embed", "blocks.0"]
    found = read_examples(network, given, sites, position, rng=Rng(0))
    first = 1 if kind == "encoder" else 0  # [CLS]
    spans = [(1, 3), (1, 3), (1, 3), (1, 4), (0, 1), (0, 2)]  # in words
    for i, (text, span) in enumerate(zip(TEXTS, spans, strict=True)):
        words = len(text.split())
        begin, end = {"last": (words - 1, words), "mean": (0, words), "span": span}[position]
        for site, state in zip(sites, states(network, text), strict=False):
            expected = state[first + begin : first + end].mean(dim=0)
            torch.testing.assert_close(found[site].inputs[i].float(), expected, atol=2e-6, rtol=1e-5)
    assert found["embed"].labels.tolist() == given.labels.tolist()


def test_they_do_not_depend_on_the_batching() -> None:
    network, given, sites = subject("classifier"), concept(), ["embed", "blocks.0"]
    output = network_output(network, "log_odds:yes")
    one = read_examples(network, given, sites, "mean", rng=Rng(0), gradients=output)
    alone = [
        read_examples(network, concept((text, TEXTS[0])), sites, "mean", rng=Rng(0), gradients=output, max_bytes=10**6)
        for text in TEXTS
    ]
    for site in sites:
        for i in range(len(TEXTS)):
            torch.testing.assert_close(one[site].inputs[i], alone[i][site].inputs[0], atol=1e-6, rtol=1e-5)
            torch.testing.assert_close(one[site].gradients[i], alone[i][site].gradients[0], atol=1e-6, rtol=1e-4)


def test_all_sites_share_one_forward_pass() -> None:
    network, given = subject("classifier"), concept()
    passes = []
    # the longest and the shortest text are run before, to learn how much memory they take
    handle = network.module.register_forward_hook(lambda *_: passes.append(1))
    try:
        read_examples(network, given, ["embed"], "last", rng=Rng(0))
        few = len(passes)
        read_examples(network, given, ["embed", "blocks.0", "blocks.1", "blocks.0.mlp"], "last", rng=Rng(0))
    finally:
        handle.remove()
    assert len(passes) == 2 * few


@pytest.mark.parametrize(
    ("kind", "name", "position"),
    [
        ("classifier", "log_odds:yes", "last"),
        ("classifier", "log_odds:yes", "mean"),
        ("classifier", "log_odds:yes", "span"),
        ("causal", "next:true/false", "last"),
        ("causal", "next:true/false", "mean"),
        ("causal", "text_loss", "mean"),
        ("causal", "text_loss", "span"),
    ],
    ids=str,
)
def test_gradients_are_slopes_of_the_output_along_a_shift_of_the_vector(kind, name, position) -> None:
    network = subject(kind, dtype=torch.float64)
    texts = TEXTS[:4]
    given = concept(texts, spans=[(4, 10), (4, 10), (5, 10), (5, 15)])
    output = network_output(network, name)
    found = read_examples(network, given, ["embed", "blocks.0"], position, rng=Rng(0), gradients=output)
    data, intervals = located(network, given, position, overlong="error")
    step = 1e-4
    generator = torch.Generator().manual_seed(3)
    for site in ("embed", "blocks.0"):
        for i in range(len(texts)):
            direction = torch.randn(16, generator=generator, dtype=torch.float64)
            begin, end = intervals[i]
            values = []
            for sign in (1, -1):

                def shift(activation, move=sign * step * direction, begin=begin, end=end):
                    moved = activation.clone()
                    moved[:, begin:end] += move
                    return moved

                batch = data.batch([i])
                with visiting(network, {site: shift}), torch.no_grad():
                    out = network.output(batch)
                if name == "text_loss":  # gnomon's own is of scores in float32, too coarse for a difference
                    ids = batch.kwargs["input_ids"][0]
                    values.append(-float(out[0, :-1].log_softmax(dim=1)[range(len(ids) - 1), ids[1:]].mean()))
                else:
                    values.append(float(output(out, None, batch)[0]))
            slope = (values[0] - values[1]) / (2 * step)
            # gradients are kept in float32
            assert slope == pytest.approx(float(found[site].gradients[i] @ direction), rel=2e-5, abs=1e-6)


def test_next_log_odds_and_text_loss_are_those_of_the_logits() -> None:
    network = subject("causal")
    ids = network.tokenizer("the sun is hot", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = network.module(ids).logits[0].double()
    batch = TokenData([ids[0].numpy(), ids[0, :2].numpy()]).batch([0, 1])
    odds = network_output(network, "next:true/false")
    a, b = (network.tokenizer.convert_tokens_to_ids(w) for w in ("true", "false"))
    assert odds == NextLogOdds(a, b)
    out = network.output(batch)
    torch.testing.assert_close(odds(out, None, batch)[0], logits[-1, a] - logits[-1, b], atol=1e-5, rtol=1e-5)
    nats = -logits[:-1].log_softmax(dim=1)[range(3), ids[0, 1:]]
    found = TextLoss()(out, network.loss.predictions(out, batch), batch)
    torch.testing.assert_close(found, torch.stack([nats.mean(), nats[0]]), atol=1e-5, rtol=1e-5)


def test_log_odds_of_two_classes_are_a_difference_of_scores() -> None:
    output = network_output(subject("classifier"), "log_odds:maybe")
    scores = torch.tensor([[0.3, -1.0, 2.0]])
    share = scores.double().softmax(dim=1)[0, 2]
    torch.testing.assert_close(output(scores, None, None)[0], (share / (1 - share)).log())


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("encoder", "log_odds:yes", "it has no task of its own"),
        ("encoder", "text_loss", "it has no task of its own"),
        ("masked", "text_loss", "none is hidden"),
        ("causal", "log_odds:yes", "its loss is next_token"),
        ("causal", "next:true", "no pair of tokens"),
        ("causal", "next:true/very hot", "is 2 tokens"),
        ("causal", "next:true/true", "are one token"),
        ("classifier", "log_odds:perhaps", "unknown class"),
        ("classifier", "loss", "unknown output 'loss'"),
    ],
    ids=str,
)
def test_outputs_that_a_network_has_not_are_declined(kind, name, reason) -> None:
    with pytest.raises(GnomonError, match=reason):
        network_output(subject(kind), name)


def test_an_output_that_does_not_depend_on_the_position_is_declined() -> None:
    network = subject("causal")
    with pytest.raises(GnomonError, match=r"does not depend on site 'blocks\.0' at these positions"):
        read_examples(network, concept(), ["blocks.0"], "last", rng=Rng(0), gradients=TextLoss())


def test_an_encoder_has_no_number_for_an_example() -> None:
    network = subject("encoder")
    with pytest.raises(GnomonError, match="has no number 0 for each example"):
        read_examples(network, concept(), ["embed"], "last", rng=Rng(0), gradients=network_output(network, "value:0"))


def test_last_is_the_last_token_of_the_text_itself() -> None:
    data, intervals = located(subject("encoder"), concept(("sun is", "rome [UNK]")), "last", overlong="error")
    assert [
        tokenizer().convert_ids_to_tokens(int(s[b])) for s, (b, _) in zip(data.sequences, intervals, strict=True)
    ] == [
        "is",
        "[UNK]",  # special, but of the text
    ]
    assert (intervals[:, 1] - intervals[:, 0] == 1).all()


def test_a_masked_language_model_reads_texts_with_nothing_hidden() -> None:
    data, _ = located(subject("masked"), concept(("sun is hot", "sun")), "mean", overlong="error")
    assert data.batch([0]).kwargs["input_ids"].tolist() == [tokenizer()("sun is hot")["input_ids"]]
    assert len(data) == 2


def test_a_text_longer_than_the_context_is_an_error_or_cut() -> None:
    network, long = subject("encoder"), "the " * 15
    given = concept(("sun is hot", long), spans=[(0, 3), (0, 3)])
    with pytest.raises(GnomonError, match=r"small, text 2 has 17 tokens, the context of encoder is 12"):
        located(network, given, "mean", overlong="error")
    data, intervals = located(network, given, "mean", overlong="truncate")
    assert data.lengths.tolist() == [5, 12]
    assert intervals.tolist() == [[1, 4], [1, 11]]
    assert located(network, given, "span", overlong="truncate")[1].tolist() == [[1, 2], [1, 2]]
    beyond = concept(("sun is hot", long), spans=[(0, 3), (50, 53)])
    with pytest.raises(GnomonError, match=r"text 2: the span 50:53 lies beyond the context"):
        located(network, beyond, "span", overlong="truncate")


def test_a_span_counts_every_token_that_it_touches() -> None:
    given = concept(("rome is in italy", "sun is hot"), spans=[(2, 6), (4, 5)])  # "me i", "i"
    _, intervals = located(subject("encoder"), given, "span", overlong="error")
    assert intervals.tolist() == [[1, 3], [2, 3]]
    blank = concept(("rome is", "sun is"), spans=[(4, 5), (3, 4)])
    with pytest.raises(GnomonError, match=r"text 1: the span 4:5 holds no token"):
        located(subject("encoder"), blank, "span", overlong="error")


def test_bad_positions_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown position 'first'"):
        located(subject("encoder"), concept(), "first", overlong="error")
    with pytest.raises(GnomonError, match="names no spans"):
        located(subject("encoder"), concept(), "span", overlong="error")
    letters = Subject(torch.nn.Identity(), tokenizer=lambda text: [ord(c) for c in text])
    with pytest.raises(GnomonError, match="does not tell where its tokens stand"):
        located(letters, concept(spans=[(0, 1)] * 6), "span", overlong="error")
    with pytest.raises(GnomonError, match="text 1 has no token of its own"):
        located(subject("encoder"), concept((" ", "sun")), "mean", overlong="error")
    with pytest.raises(GnomonError, match="no site is given"):
        read_examples(subject("encoder"), concept(), [], "mean", rng=Rng(0))


def test_a_site_with_one_position_is_read_there() -> None:
    network, given = subject("classifier"), concept()
    found = read_examples(
        network, given, ["logits"], "last", rng=Rng(0), gradients=network_output(network, "log_odds:1")
    )
    with torch.no_grad():
        scores = network.module(**network.tokenizer(TEXTS[3], return_tensors="pt", return_token_type_ids=False)).logits
    torch.testing.assert_close(found["logits"].inputs[3].float(), scores[0], atol=1e-5, rtol=1e-5)
    share = scores[0, [0, 2]].softmax(dim=0)  # of the others
    expected = torch.stack([-share[0], torch.tensor(1.0), -share[1]])
    torch.testing.assert_close(found["logits"].gradients[3].float(), expected, atol=1e-5, rtol=1e-5)


def test_networks_of_plain_arrays_are_read_too() -> None:
    layers = [torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 1)]
    inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    network = Subject(torch.nn.Sequential(*layers))
    output = network_output(network, "value:0")
    intervals = np.tile([0, 1], (5, 1))
    found = read_vectors(network, ArrayData(inputs), ["blocks.0"], intervals, rng=Rng(0), gradients=output)["blocks.0"]
    hidden = layers[0](inputs).tanh()
    torch.testing.assert_close(found.values, hidden)
    slopes = layers[4].weight * (1 - layers[2](hidden).tanh().square())
    torch.testing.assert_close(found.gradients, slopes @ layers[2].weight, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("intervals", "reason"),
    [
        ([[0, 1]], "are not one of positions for each of 6 examples"),
        ([[0, 0]] * 6, "are not one of positions"),
        ([[-1, 1]] * 6, "are not one of positions"),
        ([[0, 99]] * 6, "site 'embed' has .* positions, an interval ends beyond them"),
    ],
    ids=["few", "empty", "negative", "beyond"],
)
def test_intervals_that_are_none_are_refused(intervals, reason) -> None:
    network = subject("encoder")
    data, _ = located(network, concept(), "mean", overlong="error")
    with pytest.raises(GnomonError, match=reason):
        read_vectors(network, data, ["embed"], np.array(intervals), rng=Rng(0))


def test_shards_merge_to_the_whole() -> None:
    from gnomon.structure.concepts.activations import _SiteMean
    from gnomon.subjects import capture

    network, given = subject("classifier"), concept()
    data, intervals = located(network, given, "mean", overlong="error")
    spec = _SiteMean("blocks.0", intervals, network_output(network, "log_odds:0"))
    whole, left, right = (spec.empty(network, data, Rng(0)) for _ in range(3))
    for index, shard in ((0, left), (1, right), (2, left), (3, right), (4, left), (5, left)):
        with network.evaluating():
            captured = capture(network, data.batch([index]), spec.reads)
        whole.update(captured)
        shard.update(captured)
    left.merge(right)
    torch.testing.assert_close(left.values, whole.values, atol=0, rtol=0)
    torch.testing.assert_close(left.gradients, whole.gradients, atol=0, rtol=0)
