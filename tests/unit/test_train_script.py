"""What `train.py` tells a user whose run cannot be trained."""

import pytest
import torch

import train

ARGUMENTS = ["train.py", "--run", "results/runs/adam/seed0", "--study", "s", "--data", "nowhere", "--spec"]


def outcome(monkeypatch, spec="{}"):
    monkeypatch.setattr("sys.argv", [*ARGUMENTS, spec])
    with pytest.raises(SystemExit) as ended:
        train.main()
    return str(ended.value)


def test_data_that_is_not_prepared_is_named(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    message = outcome(monkeypatch)
    assert message.startswith("error: results/runs/adam/seed0: nowhere/data.json: cannot be read: ")
    assert "snakemake nowhere/data.json --force" in message


def test_a_wrong_setting_is_named(monkeypatch):
    assert "epoch" in outcome(monkeypatch, '{"epoch": 3}')


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError()])
def test_out_of_memory_names_the_run_and_the_command(monkeypatch, error):
    def too_large(*_):
        raise error

    monkeypatch.setattr(train, "train_run", too_large)
    message = outcome(monkeypatch)
    assert "results/runs/adam/seed0: out of memory" in message
    assert message.endswith("snakemake results/runs/adam/seed0/metrics.json")


def test_a_new_run_clears_what_an_earlier_one_left_but_its_log(tmp_path):
    old = ["metrics.json", "history.csv", "best_model_ReLU_MSE_SGD_StepLR_1000.pth", "train.log"]
    for name in old:
        (tmp_path / name).touch()
    train.run_directory.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["train.log"]
