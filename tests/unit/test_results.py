"""What `results/` holds of another study is kept, and the command that moves it is what a shell takes it for."""

import json
import shlex

import pytest

from ablation.config.plain_yaml import ConfigError
from ablation.runs.results import check_results


def record_of(folder, study):
    path = folder / "runs/adam/seed0/metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"study": study}))


def test_the_command_moves_the_results_aside(study, tmp_path):
    results = tmp_path / "my results; $(touch pwned)"
    record_of(results, "other")
    with pytest.raises(ConfigError, match="holds the study 'other'") as error:
        check_results(study, results)
    command = str(error.value).partition("keep its results: ")[2]
    assert shlex.split(command) == ["mv", str(results), f"{results}-other"]


@pytest.mark.parametrize("name", ["x; touch pwned", "../x", "\x1b[2J", 7, {}, None, "X"])
def test_a_record_that_no_study_can_have_written_advises_no_command(study, tmp_path, name):
    record_of(tmp_path / "results", name)
    check_results(study, tmp_path / "results")
