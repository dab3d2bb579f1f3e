"""Bad input: one line on stderr that names the cause, exit code 2, no traceback, and nothing finished is lost."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import gnomon
from gnomon.cli.main import run
from tiny_disks import mounted


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], *, code: int = 2) -> str:
    """The one line that ``arguments`` are refused with."""
    assert run(arguments) == code
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("gnomon: ")
    assert "Traceback" not in captured.out
    return lines[0]


@pytest.fixture
def copy_of_model(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def measure(model: Path | str, data: Path | str, quantity: str = "nll") -> list[str]:
    return ["measure", str(model), "-q", quantity, "--data", str(data)]


def test_a_missing_checkpoint(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere" in refused(measure(tmp_path / "nowhere", texts), capsys)


def test_a_truncated_safetensors(copy_of_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = copy_of_model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    assert "model" in refused(measure(copy_of_model, texts), capsys)


def test_a_corrupt_safetensors(copy_of_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copy_of_model / "model.safetensors").write_bytes(b"\xff" * 5000)
    refused(measure(copy_of_model, texts), capsys)


def test_a_pickle(copy_of_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = load_file(copy_of_model / "model.safetensors")
    (copy_of_model / "model.safetensors").unlink()
    torch.save(weights, copy_of_model / "pytorch_model.bin")
    assert "safetensors" in refused(measure(copy_of_model, texts), capsys)


def test_nan_weights(copy_of_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy_of_model / "model.safetensors"
    weights = load_file(path)
    name = next(n for n in weights if "q_proj" in n)
    weights[name][0, 0] = float("nan")
    save_file(weights, path, metadata={"format": "pt"})
    line = refused(measure(copy_of_model, texts), capsys)
    assert "NaN" in line
    assert "q_proj" in line


def test_missing_data(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "none.txt" in refused(measure(tiny_model, tmp_path / "none.txt"), capsys)


def test_empty_data(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.txt").write_text("\n\n")
    assert "empty" in refused(measure(tiny_model, tmp_path / "empty.txt"), capsys)


def test_a_text_longer_than_the_context(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "long.txt"
    path.write_text("the cat sat\n" + "the dog ran " * 40)
    line = refused(measure(tiny_model, path), capsys)
    assert "32" in line
    assert "overlong" in line
    assert run([*measure(tiny_model, path), "--overlong", "truncate"]) == 0


def test_an_unknown_quantity(tiny_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(measure(tiny_model, texts, "participation_ration"), capsys)
    assert "participation_ratio" in line


def test_an_unknown_site(tiny_model: Path, texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused([*measure(tiny_model, texts, "participation_ratio"), "--site", "block.1"], capsys)
    assert "blocks.1" in line


def test_no_quantity_at_all(tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "-q" in refused(["measure", str(tiny_model)], capsys)


@pytest.mark.parametrize("budget", ["soon", "-3s", "0s"])
def test_an_unreadable_budget(tiny_model: Path, texts: Path, budget: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "budget" in refused([*measure(tiny_model, texts), f"--budget={budget}"], capsys)


def test_an_unknown_option_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    refused(["quantities", "--nonsense"], capsys)
    refused(["meassure"], capsys)


def test_debug_shows_the_traceback(tiny_model: Path) -> None:
    with pytest.raises(gnomon.GnomonError):
        run(["measure", str(tiny_model), "--debug"])


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kilobytes: no room for a store or a page."""
    with mounted(tmp_path / "full", "64k") as disk:
        yield disk


def test_a_full_disk(tiny_model: Path, texts: Path, full_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused([*measure(tiny_model, texts), "--store", str(full_disk / "store")], capsys)


def test_a_full_disk_under_the_report_keeps_the_measurements(
    tiny_model: Path, texts: Path, full_disk: Path, own_store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["examine", str(tiny_model), "--data", str(texts), "--examples", "40", "--out", str(full_disk / "r")]
    arguments += ["--budget", "5s"]
    refused(arguments, capsys)
    with gnomon.Store.open(own_store) as store:
        assert len(store.measurements()) > 14
    assert not list(full_disk.rglob("*.html"))


_SLOW_PLUGIN = """
import time
from broken_estimators import Sound
from gnomon.cli.main import main
from gnomon.estimators import registry

class NeverEnds(Sound):
    name = "zz_never_ends"
    def finish(self, *arguments, **options):
        print("waiting", flush=True)
        time.sleep(60)

registry.register(NeverEnds)
main()
"""


def test_ctrl_c_loses_nothing_that_was_finished(tiny_model: Path, texts: Path, own_store: Path) -> None:
    arguments = ["measure", str(tiny_model), "-q", "nll,zz_never_ends", "--data", str(texts)]
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_PLUGIN, *arguments],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # where the tests themselves run in the background, a shell has told them to ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 2
    assert errors.splitlines() == ["gnomon: interrupted; what was finished is in the store"]
    with gnomon.Store.open(own_store) as store:
        assert {m.quantity for m in store.measurements()} == {"nll"}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("hessian_spectrum", "cannot read the setting 'hessian_spectrum'"),
        ("hessian_spectra.steps=8", "did you mean 'hessian_spectrum'"),
        ("hessian_spectrum.step=8", "did you mean 'steps'"),
        ("hessian_spectrum.steps=many", "hessian_spectrum.steps = many: Input should be a valid integer"),
        ("hessian_spectrum.learning_rate=-1", "is not positive"),
    ],
)
def test_a_bad_setting(
    tiny_model: Path, texts: Path, setting: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused(["measure", str(tiny_model), "--data", str(texts), "--set", setting], capsys)


@pytest.mark.parametrize("memory", ["0GB", "much", "512"])
def test_an_unreadable_memory(tiny_model: Path, texts: Path, memory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert repr(memory) in refused([*measure(tiny_model, texts), "--memory", memory], capsys)
