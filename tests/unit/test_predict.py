"""`predict.py` on runs that were really trained, the lines of the README for plain torch, and what cannot be used."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import predict
from ablation.config.catalog import catalog
from ablation.config.settings import complete, spec_json
from ablation.config.study import DataConfig
from ablation.data.prepare import prepare
from ablation.runs import job, train_run
from ablation.runs.interruption import Listener
from ablation.runs.predict import load_classifier
from ablation.runs.records import digests_of_files, read_record, write_record

ROOT = Path(__file__).resolve().parents[2]
COMPONENTS = "examples/own-components/my_components.py"
# That of the README.
RUN = Path("results/runs/dropout-20/seed0")
RESIDUAL, DIVERGED = Path("results/runs/residual/seed0"), Path("results/runs/exploding/seed0")
TINY = {"model": {"filters": [4, 6, 8]}, "optimizer": {"learning_rate": 0.01}, "epochs": 3, "batch_size": 32}
EXPLODING = {"model": {"batch_norm": False}, "optimizer": {"name": "sgd", "learning_rate": 1e30}, "grad_clip": None}
OWN = {"model": {"name": "residual", "widths": [4, 8]}, "mean": [0.3], "std": [0.4], "augmentation": "none"}


def train(root, run, data, settings, components=()):
    """One run, as `train.py` trains it, but for the signals."""
    files = [str(root / file) for file in components]
    spec = spec_json(complete(TINY | settings, catalog(files)))
    options = ["--study", "s", "--data", str(data), "--spec", spec, "--device", "cpu", "--components", *files]
    arguments = job.parser(None).parse_args(options)
    arguments.run = [root / run]
    train_run.train_run(arguments, root / run, Listener())


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three finished runs in a folder like that of a project."""
    root = tmp_path_factory.mktemp("trained")
    shutil.copytree(ROOT / "examples", root / "examples")
    colour, grey = root / "results/data/digits", root / "results/data/grey"
    prepare(DataConfig(name="digits", train_images_per_class=40), colour)
    prepare(DataConfig(name="digits", train_images_per_class=40, channels=1, image_size=16), grey)
    train(root, RUN, colour, {"averaging": {"name": "swa", "start": 2}})
    train(root, DIVERGED, colour, EXPLODING)
    train(root, RESIDUAL, grey, OWN, [COMPONENTS])
    study = {"study": "s", "seeds": [0], "variants": {"residual": {"model": "residual"}}, "components": [COMPONENTS]}
    (root / "results/study.json").write_text(json.dumps(study))
    return root


@pytest.fixture
def project(trained, tmp_path, monkeypatch):
    """A copy of it, to change, as working directory, with the first test image as a file."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    save_images("digits", 1)
    return tmp_path


def save_images(data, count):
    """Test images as files, and their labels."""
    images, labels = (np.load(f"results/data/{data}/test_{kind}.npy")[:count] for kind in ("images", "labels"))
    files = [f"{data}-{index}.png" for index in range(len(images))]
    for image, file in zip(images, files, strict=True):
        Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(file)
    return files, [str(label) for label in labels]


@pytest.fixture
def predicted(monkeypatch, capsys):
    """What the command prints."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["predict.py", *map(str, arguments)])
        predict.main()
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return run


@pytest.fixture
def refused(monkeypatch):
    """With which sentence the command ends."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["predict.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            predict.main()
        message = str(ended.value)
        assert message.startswith("error: ")
        assert "\n" not in message
        return message.removeprefix("error: ")

    return run


def forge(run, name, content):
    """Put content into a file of the run, and make the record's checksums those of it."""
    (run / name).write_bytes(content)
    record = read_record(run / "metrics.json")
    write_record(
        run / "metrics.json", record.model_copy(update={"files": record.files | digests_of_files(run, [name])})
    )


def forge_model(run, **changes):
    about = json.loads((run / "model.json").read_text())
    forge(run, "model.json", json.dumps(about | changes).encode())


# --- predictions ---


@pytest.mark.parametrize(
    ("run", "data", "options", "score"),
    [
        (RUN, "digits", [], "best"),
        (RUN, "digits", ["--averaged"], "averaged"),
        (RESIDUAL, "grey", [], "best"),
    ],
    ids=["best", "averaged", "own-model"],
)
def test_the_accuracy_on_the_test_images_is_that_of_the_record(project, predicted, run, data, options, score):
    files, labels = save_images(data, None)
    found = json.loads(predicted(run, *files, "--json", *options))
    assert [each["file"] for each in found] == files
    right = sum(each["class"] == label for each, label in zip(found, labels, strict=True))
    record = read_record(run / "metrics.json")
    assert 100 * right / len(labels) == pytest.approx(getattr(record, score).test_accuracy)
    assert record.best.test_accuracy > 30


def test_images_are_read_as_those_of_the_data(project):
    for run, data in ((RUN, "digits"), (RESIDUAL, "grey")):
        files, _ = save_images(data, 5)
        images = np.load(f"results/data/{data}/test_images.npy")[:5]
        assert np.array_equal(load_classifier(run, "best", [], "cpu").read(files).numpy(), images)


def test_each_image_has_a_line_with_its_class_and_the_runners_up(project, predicted):
    files, _ = save_images("digits", 12)
    lines = predicted(RUN / "metrics.json", *files).splitlines()
    found = json.loads(predicted(RUN, *files, "--json"))
    assert len({len(line) for line in lines}) == 1
    for line, each in zip(lines, found, strict=True):
        probabilities = each["probabilities"]
        assert sum(probabilities.values()) == pytest.approx(1)
        assert list(probabilities.values()) == sorted(probabilities.values(), reverse=True)
        first = [word for name in list(probabilities)[:3] for word in (name, f"{100 * probabilities[name]:.1f}", "%")]
        assert line.split() == [each["file"], *first]


def test_a_photograph_of_another_size_and_kind_is_taken_too(project, predicted):
    Image.new("L", (200, 90), 128).save("a photograph.jpg")
    assert predicted(RUN, "a photograph.jpg").startswith("a photograph.jpg  ")


def test_the_lines_of_the_readme_classify_as_the_command_does(project, predicted, capsys):
    text = (ROOT / "README.md").read_text()
    (lines,) = re.findall(r"```python\n(import json.*?)```", text, re.DOTALL)
    assert len(lines.partition("\nabout = ")[2].splitlines()) == 6
    assert "ablation" not in lines
    exec(lines, {})
    files, _ = save_images("digits", None)
    printed = capsys.readouterr().out
    assert printed == f"{[each['class'] for each in json.loads(predicted(RUN, *files, '--json'))]}\n"


def test_the_command_of_the_readme_is_about_the_study_that_the_readme_makes():
    text = (ROOT / "README.md").read_text()
    assert f"python workflow/scripts/predict.py {RUN} " in text
    assert "\n  dropout-20: " in text


def test_the_files_of_a_run_are_known_to_its_record(project):
    record = read_record(RUN / "metrics.json")
    about = json.loads((RUN / "model.json").read_text())
    assert set(about["weights"]) == {"best", "averaged"}
    assert {"model.json", *about["weights"].values()} <= set(record.files)
    assert about["weights"]["best"] == record.best_model
    assert about["network"][1] == ["BatchNorm2d", {"num_features": 4}]
    assert json.loads((RESIDUAL / "model.json").read_text())["network"] is None
    assert not (DIVERGED / "model.json").exists()


# --- a network of the study's own ---


def test_components_can_be_named_where_no_study_is(project, predicted, refused):
    (file,), _ = save_images("grey", 1)
    of_study = predicted(RESIDUAL, file)
    Path("results/study.json").unlink()
    message = refused(RESIDUAL, file)
    assert "'residual' is not a known model" in message
    assert message.endswith("--components FILE names a file of the study's own components")
    assert predicted(RESIDUAL, file, "--components", COMPONENTS) == of_study


def test_a_change_of_the_code_is_told(project, monkeypatch, capsys):
    save_images("grey", 1)
    path = Path("examples/own-components/residual.py")
    path.write_text(path.read_text().replace("+ self.shortcut(images)", "- self.shortcut(images)"))
    # A process runs a file once, by its name.
    files = ["--components", str(project / COMPONENTS)]
    monkeypatch.setattr("sys.argv", ["predict.py", str(RESIDUAL), "grey-0.png", *files])
    predict.main()
    assert "warning: the code has changed since it trained this run" in capsys.readouterr().err


def test_a_network_that_its_code_no_longer_builds_is_told(project, refused):
    path = Path(COMPONENTS)
    path.write_text(path.read_text().replace("from residual import", "from rezidual import"))
    message = refused(RESIDUAL, "digits-0.png")
    reason = "ModuleNotFoundError: No module named 'rezidual'"
    assert message == f"{RESIDUAL}: its network cannot be used with its weights: {reason}"


# --- what cannot be used ---


def test_a_run_that_is_not_there_is_told_with_its_command(project, refused):
    advice = "`snakemake results/runs/<variant>/seed<k>/metrics.json` trains one of the study"
    for folder in ("results/runs/adam/seed7", "results/runs", "digits-0.png"):
        assert refused(folder, "digits-0.png") == f"{folder}: no finished run is there, with a metrics.json; {advice}"


def test_a_diverged_run_has_no_weights(project, refused):
    message = refused(DIVERGED, "digits-0.png")
    assert message == f"{DIVERGED} diverged before its first epoch ended, so it has no weights"


def test_averaged_weights_that_are_not_there_are_told(project, refused):
    assert refused(RESIDUAL, "digits-0.png", "--averaged") == f"{RESIDUAL} has no averaged weights, only best ones"


def test_a_run_of_earlier_code_is_told_with_the_command_that_trains_it_again(project, refused):
    record = read_record(RUN / "metrics.json")
    files = {name: digest for name, digest in record.files.items() if name != "model.json"}
    write_record(RUN / "metrics.json", record.model_copy(update={"files": files}))
    message = refused(RUN, "digits-0.png")
    assert (
        f"{RUN} has no model.json, which earlier code did not write; `snakemake {RUN}/metrics.json --force`" in message
    )


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1])])
@pytest.mark.parametrize("name", ["model.json", "best_model_*.pth"])
def test_a_lost_or_damaged_file_is_told_with_the_command_that_reruns_it(project, refused, name, harm):
    (path,) = RUN.glob(name)
    harm(path)
    message = refused(RUN, "digits-0.png")
    assert message.startswith(f"{path} ")
    assert message.endswith(f"`snakemake {RUN}/metrics.json --force` reruns it")


def test_a_damaged_record_is_told(project, refused):
    path = RUN / "metrics.json"
    path.write_text(path.read_text().replace('"epochs": 3', '"epochs": 4'))
    assert "the file is damaged" in refused(RUN, "digits-0.png")


@pytest.mark.parametrize("device", ["cuda:99", "meta", "gpu"])
def test_a_device_that_cannot_compute_is_told(project, refused, device):
    assert refused(RUN, "digits-0.png", "--device", device).startswith(f"--device {device} cannot be used: ")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, " cannot be read: No such file or directory"),
        (Path.mkdir, " cannot be read: it is not a regular file"),
        (os.mkfifo, " cannot be read: it is not a regular file"),
        (lambda path: path.write_text("no image"), ": cannot be read as an image (it is none of AVIF, "),
        (lambda path: path.write_bytes(Path("digits-0.png").read_bytes()[:60]), ": cannot be read as an image ("),
    ],
    ids=["missing", "folder", "pipe", "text", "cut"],
)
def test_what_is_no_image_is_told_and_nothing_is_printed(project, refused, capsys, make, told):
    make(Path("photo\x1b[2J.png"))
    message = refused(RUN, "digits-0.png", "photo\x1b[2J.png")
    assert message.startswith(f"photo\\x1b[2J.png{told}")
    assert capsys.readouterr().out == ""


def test_a_file_that_is_too_large_is_not_read(project, refused):
    with open("large.png", "wb") as file:
        file.truncate(10**12)
    assert "'large.png' has 1,000,000,000,000 bytes; an image has 100,000,000 at most" in refused(RUN, "large.png")


# --- files that someone made to do harm, whose checksums are right ---


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"network": [["init", {}]]}, "ValueError: 'init' is no layer of torch.nn"),
        ({"network": [["Linear", {"in_features": 10**7, "out_features": 10**7}]]}, "RuntimeError: Error(s) in loading"),
        ({"network": [["Linear", {"in_features": "a\x1b[2J"}]]}, "TypeError: "),
        ({"network": [["Module", {}]]}, "RuntimeError: Error(s) in loading state_dict"),
        ({"classes": ["a", "b"]}, "ValueError: its output is (1, 10), not (1, 2): a number for each class"),
        ({"mean": [0.5, 0.5]}, "RuntimeError: The size of tensor a (3) must match"),
        ({"classes": 7}, "classes: Input should be a valid array"),
        ({"image_size": -1}, "image_size: Input should be greater than 0"),
        ({"weights": {"best": "../../../../secret"}}, "secret cannot be read: No such file or directory"),
    ],
)
def test_a_model_file_that_says_nonsense_is_refused(project, refused, changes, told):
    forge_model(RUN, **changes)
    message = refused(RUN, "digits-0.png")
    assert message.startswith(f"{RUN}")
    assert told in message
    assert "\x1b" not in message


class Payload:
    def __reduce__(self):
        return Path.touch, (Path("pwned"),)


def test_weights_that_would_run_code_do_not(project, refused):
    name = read_record(RUN / "metrics.json").best_model
    torch.save({"weight": Payload()}, RUN / name)
    forge(RUN, name, (RUN / name).read_bytes())
    assert "UnpicklingError: Weights only load failed" in refused(RUN, "digits-0.png")
    forge(RUN, name, pickle.dumps(Payload(), protocol=2))
    assert "UnpicklingError: " in refused(RUN, "digits-0.png")
    assert not Path("pwned").exists()


def test_names_of_classes_and_files_do_nothing_to_the_terminal(project, predicted):
    forge_model(RUN, classes=[f"\x1b[2J{index}\nmore" for index in range(10)])
    shutil.copy("digits-0.png", "a\x1b[2J\nb.png")
    text = predicted(RUN, "a\x1b[2J\nb.png")
    assert text.startswith("a\\x1b[2J b.png  \\x1b[2J")
    assert text.count("\n") == 1
