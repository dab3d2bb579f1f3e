"""Training dictionaries: what it keeps to, what it finds, and that a run that was stopped ends with the same bits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dictionary_trainers
from dictionary_trainers import TRAINING, rows, run, spec
from gnomon.errors import GnomonError
from gnomon.randomness import Rng
from gnomon.structure.artefact import TENSORS
from gnomon.structure.dictionaries import (
    KINDS,
    ArrayRows,
    Progress,
    Trained,
    Training,
    architecture,
    build,
    load_dictionary,
    save_dictionary,
    train,
)
from gnomon.structure.dictionaries.optimiser import Optimiser
from tiny_disks import mounted


def _same(one: Trained, other: Trained) -> bool:
    a, b = one.dictionary.state_dict(), other.dictionary.state_dict()
    assert a.keys() == b.keys()
    return (
        all(torch.equal(a[name], b[name]) for name in a)
        and one.history == other.history
        and torch.equal(one.silent, other.silent)
    )


class _StoppedError(Exception):
    pass


# two kinds have all that is kept: thresholds that are trained, and one that is a running mean
_STOPPED = ("jump_relu", "matryoshka")


@pytest.mark.parametrize(
    "kind", [kind if kind in _STOPPED else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_a_run_that_stopped_ends_with_the_bits_of_one_that_did_not(kind: str, tmp_path: Path) -> None:
    whole = run(kind, None)
    assert whole.history[-1].step == 24
    assert _same(run(kind, str(tmp_path / "not stopped")), whole)

    def stop(done: Progress) -> None:
        if done.step in stops:
            stops.remove(done.step)
            raise _StoppedError

    stops = [3, 6, 11, 14, 24]
    found = None
    while found is None:
        try:
            found = train(rows(), spec(kind), TRAINING, rng=Rng(5), directory=tmp_path / "stopped", progress=stop)
        except _StoppedError:
            continue
    assert not stops
    assert _same(found, whole)
    assert sorted(os.listdir(tmp_path / "stopped")) == ["step-000000015", "step-000000020"]
    other = train(rows(), spec(kind), TRAINING, rng=Rng(6))
    assert not _same(other, whole)


@pytest.mark.slow  # another process imports everything; in this one an exception stops a run at the same places
def test_a_run_that_was_killed_goes_on(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(dictionary_trainers.__file__).parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, dictionary_trainers.__file__, "batch_top_k", str(tmp_path), "17"]
    assert subprocess.run(command, env=environment, capture_output=True).returncode == -9
    assert sorted(os.listdir(tmp_path)) == ["step-000000010", "step-000000015"]
    assert _same(run("batch_top_k", str(tmp_path)), run("batch_top_k", None))


def test_a_request_to_stop_is_followed_at_once_and_loses_nothing(tmp_path: Path) -> None:
    asked = iter([False] * 6 + [True])
    with pytest.raises(KeyboardInterrupt):
        train(rows(), spec("top_k"), TRAINING, rng=Rng(5), directory=tmp_path, stop=lambda: next(asked))
    assert sorted(os.listdir(tmp_path)) == ["step-000000005", "step-000000007"]
    assert _same(run("top_k", str(tmp_path)), run("top_k", None))


def test_a_torn_checkpoint_is_passed_over_and_none_whole_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".step-000000005.half").mkdir()  # of a process killed while it wrote
    run("top_k", str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["step-000000015", "step-000000020"]
    torn = tmp_path / "step-000000020" / TENSORS
    torn.write_bytes(torn.read_bytes()[:-7])
    with pytest.warns(UserWarning, match="step-000000020"):
        found = run("top_k", str(tmp_path))
    assert _same(found, run("top_k", None))
    for name in os.listdir(tmp_path):
        (tmp_path / name / TENSORS).write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="earlier"), pytest.raises(GnomonError, match="step-") as error:
        run("top_k", str(tmp_path))
    assert "\n" not in str(error.value)


def test_checkpoints_of_another_run_are_not_taken_up(tmp_path: Path) -> None:
    run("top_k", str(tmp_path))
    for other, rng in ((spec("relu"), Rng(5)), (spec("top_k"), Rng(6))):
        with pytest.raises(GnomonError, match="other rows, options or seed"):
            train(rows(), other, TRAINING, rng=rng, directory=tmp_path)


def test_a_full_disk_loses_no_checkpoint_that_was_finished(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "40k") as disk:
        with pytest.raises(GnomonError, match="free space"):
            run("top_k", str(disk / "run"))
        kept = sorted(os.listdir(disk / "run"))
        assert kept == ["step-000000005", "step-000000010"]
        shutil.copytree(disk / "run", tmp_path / "elsewhere")
    assert _same(run("top_k", str(tmp_path / "elsewhere")), run("top_k", None))


def test_directions_keep_unit_length_and_dead_latents_are_counted() -> None:
    generator = Rng(0).torch()
    table = torch.randn(4000, 16, generator=generator) * torch.arange(1, 17) ** -1.5
    training = Training(rows=12_000, batch=200, dead_after=2000, report_every=60)
    found = train(ArrayRows(table), architecture("top_k", latents=200, k=2), training, rng=Rng(1))
    assert torch.allclose(found.dictionary.decoder.norm(dim=1), torch.ones(200), rtol=0, atol=1e-6)
    assert 10 < found.dead < 190
    assert found.history[-1].dead == pytest.approx(found.dead / 200)
    assert found.history[-1].active == 2.0
    # silent counts rows since a latent fired, to a batch
    assert int((found.silent >= 2000).sum()) == found.dead
    assert bool((found.silent % 200 == 0).all())
    codes = found.dictionary.encode(table)
    fires = torch.bincount(codes.indices[codes.values > 0], minlength=200)
    # one that fires for 20 of 4,000 rows is silent for 2,000 once in e¹⁰ times; one that never does, just fired
    assert not bool(((fires >= 20) & (found.silent >= 2000)).any())
    assert int(((fires == 0) & (found.silent == 0)).sum()) <= 2


@pytest.mark.parametrize("kind", ["top_k", pytest.param("relu", marks=pytest.mark.slow), "jump_relu"])
def test_dead_latents_come_to_life_by_the_auxiliary_loss_alone(kind: str) -> None:
    """Half of the latents start with a bias so low that they never fire; nothing else gives them a gradient."""
    table = rows().read(0, 0, 310, Rng(0))[0]
    alive = {}
    for auxiliary in (0.0, 1 / 32):
        options = {"auxiliary": auxiliary, **({"penalty": 0.3} if kind == "relu" else {})}
        made = build(spec(kind).changed(options), 8, None, Rng(0)).train()
        made.calibrate(table, table)
        with torch.no_grad():
            made.encoder_bias[20:] = -2.0
        optimiser = Optimiser(made, 0.9)
        for _ in range(150):
            optimiser.step(made.loss(table, table, dead=torch.arange(40) >= 20).total, 1e-2)
        alive[auxiliary] = int(made.loss(table, table).fired[20:].sum())
    assert alive[0.0] == 0
    assert alive[1 / 32] >= 8


def test_a_transcoder_learns_what_its_target_is_of_its_input() -> None:
    generator = Rng(2).torch()
    code = (torch.rand(4000, 30, generator=generator) < 0.07).float()
    inputs = code @ torch.randn(30, 20, generator=generator)
    targets = 5.0 + code @ torch.randn(30, 11, generator=generator)
    training = Training(rows=60_000, batch=250, learning_rate=1e-2)
    found = train(ArrayRows(inputs, targets), architecture("top_k", latents=60, k=4), training, rng=Rng(0))
    assert found.dictionary.transcodes
    with torch.no_grad():
        left = targets - found.dictionary(inputs)
    # no affine map can: the 30 causes do not fit into 20 dimensions
    table = torch.cat([inputs, torch.ones(4000, 1)], dim=1)
    affine = targets - table @ torch.linalg.lstsq(table, targets).solution
    assert float(left.square().sum()) < 0.6 * float(affine.square().sum())


@pytest.mark.parametrize("kind", ["top_k", *_STOPPED])
def test_a_dictionary_that_was_saved_is_the_same(kind: str, tmp_path: Path) -> None:
    found = run(kind, None)
    save_dictionary(found.dictionary, tmp_path / "saved", {"site": "blocks.1"})
    loaded, document = load_dictionary(tmp_path / "saved")
    assert document["site"] == "blocks.1"
    assert document["architecture"]["kind"] == loaded.kind == kind
    assert not loaded.training
    inputs = rows().read(0, 0, 100, Rng(0))[0]
    with torch.no_grad():
        assert torch.equal(loaded(inputs), found.dictionary(inputs))


def test_runs_that_cannot_go_well_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(GnomonError, match="310 rows do not fill a batch of 400"):
        train(rows(), spec("top_k"), Training(rows=1000, batch=400), rng=Rng(0))
    with pytest.raises(GnomonError, match="10 rows do not fill a batch of 50"):
        train(rows(), spec("top_k"), Training(rows=10, batch=50), rng=Rng(0))
    with pytest.raises(GnomonError, match="input rows are equal"):
        train(ArrayRows(torch.ones(100, 4)), spec("top_k"), Training(rows=100, batch=50), rng=Rng(0))
    with pytest.raises(GnomonError, match="not finite at step"):
        train(rows(), spec("relu"), Training(rows=5000, batch=50, learning_rate=1e38), rng=Rng(0))
    with pytest.raises(GnomonError, match="holds no artefact"):
        load_dictionary(tmp_path)
