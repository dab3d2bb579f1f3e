"""Loss of a real trained language model against a plain transformers loop."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gnomon.estimators import Budget, measure_together
from gnomon.estimators.loss import Accuracy, CalibrationError, NegativeLogLikelihood, Perplexity, PredictiveEntropy
from gnomon.randomness import Rng
from gnomon.subjects import NextToken, Site, Subject, TokenData


@pytest.mark.shared
def test_agrees_with_a_plain_loop(shared_data: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(shared_data / "stories260K").eval()
    tokenizer = AutoTokenizer.from_pretrained(shared_data / "stories260K")
    texts = (shared_data / "stories_sampled.txt").read_text().splitlines()[:48]
    ids = [tokenizer(t)["input_ids"][:160] for t in texts]
    total, count, hits, entropy = 0.0, 0, 0, 0.0
    with torch.no_grad():
        for tokens in ids:
            x = torch.tensor([tokens])
            logits = model(input_ids=x).logits[0, :-1].double()
            total += float(F.cross_entropy(logits, x[0, 1:], reduction="sum"))
            hits += int((logits.argmax(1) == x[0, 1:]).sum())
            entropy += float(torch.distributions.Categorical(logits=logits).entropy().sum())
            count += len(tokens) - 1
    subject = Subject(model, loss=NextToken(), sites=[Site("logits", "")])
    kinds = [NegativeLogLikelihood(), Perplexity(), PredictiveEntropy(), Accuracy(), CalibrationError()]
    found = measure_together(kinds, subject, TokenData(ids), {k.name: () for k in kinds}, budget=Budget(), rng=Rng(0))
    read = {name: m.value for name, (m,) in found.items()}
    assert read["nll"] == pytest.approx(total / count, abs=1e-5)
    assert read["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-5)
    assert read["predictive_entropy"] == pytest.approx(entropy / count, abs=1e-5)
    assert read["accuracy"] == hits / count
    # the texts were sampled from this very model, so its probabilities are right up to the truncation of the texts
    (calibration,) = found["calibration_error"]
    assert calibration.uncertainty.low < 0.02
    (nll,) = found["nll"]
    assert nll.diagnostics["a_prediction_is_one"] == "token"
    assert np.asarray(nll.uncertainty.half_width) < 0.2
