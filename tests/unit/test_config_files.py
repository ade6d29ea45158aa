"""The shipped configs say what the study says, and files are laid over each other with their lines remembered."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import torch
import yaml

import write_schema
from ablation.config import matrix
from ablation.config.catalog import built_in
from ablation.config.grid import Expansion
from ablation.config.loading import load_study
from ablation.config.plain_yaml import ConfigError
from ablation.config.settings import RunSettings, changes, complete, flat, spec
from ablation.config.study import DataConfig, JobOptions, Landscape, Study
from ablation.config.yaml_layers import merged_config, read_layers

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"

REPORTED = {
    "optimizers": {"adam": 88.42, "sgd": 78.58, "custom-sign-sgd": 82.64},
    "schedulers-base": {"adam": 88.53, "plateau": 88.44, "cosine": 88.98},
    "schedulers-wide": {
        "wide-label-smoothing-step": 88.53,
        "wide-label-smoothing-plateau": 88.44,
        "wide-label-smoothing-cosine": 88.98,
    },
    "schedulers-wide-cross-entropy": {
        "wide-cross-entropy-step": 88.53,
        "wide-cross-entropy-plateau": 88.44,
        "wide-cross-entropy-cosine": 88.98,
    },
    "losses": {"adam": 88.42, "label-smoothing": 89.61, "focal": 87.61, "mse": 90.03},
    "activations": {"cosine": 89.45, "cosine-relu": 89.31, "cosine-elu": 87.45},
    "best": {"best": 91.53},
    "swa": {"swa": 85.17},
}


@pytest.fixture(scope="module")
def study():
    return load_study([CONFIG / "config.yaml"])


def test_every_reported_figure_stands_in_its_table(study):
    for table, rows in REPORTED.items():
        found = {row.variant: row.reported for row in study.tables[table].rows}
        assert rows.items() <= found.items()


def test_extra_variants_of_the_decisions(study):
    settings = study.matrix.settings
    assert [settings[name].l1_lambda for name in ("adam", "cross-entropy-l1")] == [0.0, 0.001]
    assert [settings[name].loss.gamma for name in ("focal", "focal-gamma2")] == [1.0, 2.0]
    swa, sound = settings["swa"], settings["swa-sound"]
    assert (swa.optimizer.name, swa.averaging.learning_rate, swa.optimizer.learning_rate) == ("sgd", 0.05, 0.002)
    assert sound.averaging.learning_rate < sound.optimizer.learning_rate
    assert settings["sgd-tuned"].optimizer.learning_rate != settings["sgd"].optimizer.learning_rate


@pytest.mark.parametrize(
    ("table", "varied"),
    [
        ("losses-controlled", "loss"),
        ("activations", "model.activation"),
        ("schedulers-base", "scheduler"),
        ("schedulers-wide", "scheduler"),
        ("schedulers-wide-cross-entropy", "scheduler"),
    ],
)
def test_the_controlled_tables_vary_one_component(study, table, varied):
    first, *others = (spec(study.matrix.settings[row.variant]) for row in study.tables[table].rows)
    for other in others:
        assert varied in changes(first, other)
        assert all(path.startswith(varied) for path in changes(first, other))


WIDE = {"model.filters": [128, 256, 512], "model.dropout": 0.3, "l1_lambda": 1e-5, "grad_clip": 5.0}


@pytest.mark.parametrize(
    ("reading", "expected"),
    [
        ("", {"loss": "cross_entropy", "model.filters": [64, 128, 256], "model.dropout": 0.5, "l1_lambda": 0.0}),
        ("wide-label-smoothing-", {"loss": "label_smoothing", "loss.smoothing": 0.1} | WIDE),
        ("wide-cross-entropy-", {"loss": "cross_entropy"} | WIDE),
    ],
)
def test_each_reading_of_the_schedulers_is_a_configuration_as_printed(study, reading, expected):
    base = {"patience": 5, "factor": 0.5, "min_learning_rate": 1e-6, "threshold": 1e-4, "cooldown": 0}
    wide = {"patience": 3, "factor": 0.2, "min_learning_rate": 1e-5, "threshold": 1e-3, "cooldown": 2}
    schedulers = {
        "plateau": wide if reading else base,
        "cosine": {"min_learning_rate": 1e-6},
        "step" if reading else "adam": {"step_size": 20, "gamma": 0.1},
    }
    for name, printed in schedulers.items():
        settings = flat(spec(study.matrix.settings[reading + name]))
        assert expected.items() <= settings.items()
        assert {key: settings[f"scheduler.{key}"] for key in printed} == printed


def test_mse_with_a_tanh_differs_in_nothing_else(study):
    assert set(changes(*(spec(study.matrix.settings[name]) for name in ("mse", "mse-tanh")))) == {"model"}


@pytest.mark.parametrize(
    "fact",
    [
        "two configurations for its table of schedulers",
        "has a tanh behind the last layer, commented out",
        "log includes the L1 penalty",
        "CosineAnnealingWarmRestarts(10, 2), evaluated every 5 epochs",
        "two curves by epoch, at the learning rates 1e-4 and 5e-4",
        "about 51 % after epoch 1",
    ],
)
def test_the_notes_tell_where_the_reference_is_unclear(study, fact):
    assert any(fact in " ".join(note.split()) for note in study.notes)


def test_the_published_band_widths_stand_beside_ours(study):
    assert study.landscape.reported["epoch_band_width"].startswith("0.348 without, 0.187 with; wider with in epochs 1 ")


def test_best_configuration_is_the_study_s(study):
    best = flat(spec(study.matrix.settings["best"]))
    expected = {
        "model.filters": [128, 256, 512],
        "model.activation.negative_slope": 0.05,
        "model.dropout": 0.4,
        "optimizer": "adam",
        "optimizer.learning_rate": 2e-3,
        "optimizer.weight_decay": 1e-5,
        "grad_clip": 5.0,
        "epochs": 100,
        "loss": "label_smoothing",
        "loss.smoothing": 0.15,
        "scheduler": "cosine",
        "scheduler.min_learning_rate": 1e-6,
    }
    assert expected.items() <= best.items()


@pytest.fixture(scope="module")
def future():
    return load_study([CONFIG / "future.yaml"])


def test_the_later_resnet_is_that_of_its_authors(future):
    expected = {
        "model": "resnet",
        "model.stages": [64, 128, 256],
        "model.blocks": 2,
        "model.activation": "swish",
        "optimizer": "adamw",
        "optimizer.learning_rate": 1e-3,
        "optimizer.weight_decay": 0.05,
        "loss": "label_smoothing",
        "loss.smoothing": 0.1,
        "scheduler": "warm_restarts",
        "scheduler.period": 10,
        "scheduler.period_factor": 2,
        "scheduler.min_learning_rate": 0.0,
        "augmentation": "rand_augment",
        "augmentation.operations": 2,
        "augmentation.magnitude": 9,
        "epochs": 200,
    }
    assert expected.items() <= flat(spec(future.matrix.settings["resnet"])).items()
    assert next(row.reported for row in future.tables["resnets"].rows if row.variant == "resnet") == 95.22


def test_what_future_work_is_compared_with_is_the_study_s(study, future):
    for ours, theirs in {"best": "best", "best-swa": "swa-sound", "cnn-whole-3": "cosine"}.items():
        assert future.matrix.settings[ours] == study.matrix.settings[theirs]


def test_the_last_period_of_the_resnet_is_cut_off_as_its_note_says(future):
    settings = future.matrix.settings["resnet"]
    optimizer = settings.optimizer.build([torch.nn.Parameter(torch.zeros(1))])
    scheduler, rates = settings.scheduler.build(optimizer, settings.epochs), []
    for _ in range(settings.epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert [epoch for epoch, rate in enumerate(rates) if epoch and rate == max(rates)] == [10, 30, 70, 150]
    assert rates[-1] / rates[0] == pytest.approx(0.79, abs=0.005)


@pytest.mark.parametrize("table", ["resnet-recipe", "averages", "filters-and-depth", "changes"])
def test_the_tables_of_future_work_change_one_component_at_a_time(future, table):
    baseline = future.tables[table].baseline_row.variant
    for row in future.tables[table].rows:
        found = changes(*(spec(future.matrix.settings[name]) for name in (baseline, row.variant)))
        assert len({path.split(".")[0] for path in found}) == (row.variant != baseline)


def test_base_states_every_setting_and_is_the_default(study):
    written = yaml.safe_load((CONFIG / "config.yaml").read_text())["base"]
    assert flat(complete(written).model_dump(mode="json")) == flat(spec(complete({})))
    stated = {path.removesuffix(".name") for path in flat(written)}
    assert stated == set(flat(spec(complete({}))))


def test_demo_has_every_table_of_the_study_with_three_seeds(study):
    demo = load_study([CONFIG / "demo.yaml"])
    notes = {name: table.model_copy(update={"note": ""}) for name, table in study.tables.items()}
    assert {name: table.model_copy(update={"note": ""}) for name, table in demo.tables.items()} == notes
    assert demo.claims == study.claims
    assert demo.matrix.variants == study.matrix.variants
    assert (demo.data.name, len(demo.seeds), len(study.seeds)) == ("digits", 3, 5)


def test_the_readme_says_how_many_variants_runs_and_tables_there_are(study):
    demo, text = load_study([CONFIG / "demo.yaml"]), (ROOT / "README.md").read_text()
    variants = study.matrix.settings
    networks = [name for name, settings in variants.items() if settings.model.name.startswith("cnn")]
    runs, probed = len(matrix.runs(demo)), len(matrix.probed_runs(demo))
    for said in (
        f"a CNN with {len(networks)} variants",
        f"the reference, {len(variants)} variants with {len(study.seeds)} seeds",
        f"digits: {runs}\nruns and {probed} runs with probes",
    ):
        assert said in text
    assert "has ten tables" in text
    assert len(demo.tables) == 10


def test_the_schema_is_that_of_the_models():
    assert write_schema.SCHEMA.read_text() == write_schema.text(), "make schema"
    json.loads(write_schema.text())


def test_the_table_of_components_is_that_of_the_classes():
    assert write_schema.GUIDE.read_text() == write_schema.guide(), "make schema"
    assert all(f"| `{name}` |" in write_schema.guide() for choices in built_in().values() for name in choices)


@pytest.mark.parametrize(
    "path", ["config/config.yaml", "config/demo.yaml", "config/future.yaml", "examples/own-components/study.yaml"]
)
def test_the_schema_takes_what_is_shipped(path):
    jsonschema.validate(yaml.safe_load((ROOT / path).read_text()), write_schema.schema())


@pytest.mark.parametrize("own", [{"optimiser": "sgd"}, {"optimizer": {"name": "sgd", "momentm": 0.5}}, {"epochs": 0}])
def test_the_schema_refuses_mistakes(own):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"study": "s", "seeds": [0], "variants": {"a": own}}, write_schema.schema())


def numbers_in(schema, path=()):
    """The parts of a schema that take numbers, with their paths."""
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield path, schema
        for key, value in schema.items():
            yield from numbers_in(value, (*path, key))


def test_every_number_has_an_upper_bound():
    """A slip of the pen must be refused: what torch cannot compute with would end in a traceback or never."""
    found = dict(numbers_in(write_schema.schema()))
    assert len(found) > 50
    assert [path for path, each in found.items() if not {"maximum", "exclusiveMaximum", "enum"} & each.keys()] == []


def test_a_schema_can_hold_components_of_one_s_own():
    own = write_schema.schema(["examples/own-components/my_components.py"])["$defs"]["Lion"]["properties"]
    assert own["beta1"] | {"maximum": 1} == own["beta1"] | {"maximum": 1, "default": 0.9}


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_extends_lays_a_file_over_another(tmp_path):
    write(tmp_path, below="a: {x: 1, y: [1, 2]}\nb: 1\n", above="extends: below.yaml\na: {y: [3]}\n")
    layers = read_layers([tmp_path / "above.yaml"], {"b": 5})
    assert layers.config == {"a": {"x": 1, "y": [3]}, "b": 5}
    assert layers.place(("a", "x")).endswith("below.yaml:1")
    assert layers.place(("a", "y", 0)).endswith("above.yaml:2")
    assert layers.place(("b",)) == "--config"


def test_a_file_can_exchange_a_component_of_the_file_that_it_extends(tmp_path):
    write(
        tmp_path,
        below="base: {optimizer: {name: sgd, momentum: 0.5, learning_rate: 0.3}}\nvariants: {a: {scheduler: step}}\n",
        above="extends: below.yaml\nbase: {optimizer: adam}\nvariants: {a: {scheduler: {name: cosine}}}\n",
    )
    config = read_layers([tmp_path / "above.yaml"]).config
    assert config["base"] == {"optimizer": {"name": "adam", "learning_rate": 0.3}}
    assert config["variants"] == {"a": {"scheduler": {"name": "cosine"}}}


def test_extends_in_a_circle_is_refused(tmp_path):
    write(tmp_path, one="extends: two.yaml\n", two="extends: one.yaml\n")
    with pytest.raises(ConfigError, match="'extends' leads back to this file"):
        read_layers([tmp_path / "one.yaml"])


@pytest.mark.parametrize("text", ["a: [1", "just words", "", "a: b: c", "- 1"])
def test_a_file_that_is_no_mapping_is_refused_by_name(tmp_path, text):
    write(tmp_path, bad=text)
    with pytest.raises(ConfigError, match=r"bad\.yaml(:1)?: (is not valid YAML|holds no settings)"):
        load_study([tmp_path / "bad.yaml"])


MINIMAL = "study: mine\nseeds: [0]\nvariants: {adam: {}, 1e-3: {optimizer: sgd}}\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('title: "a\\0b"', r":4: title: 'a\\x00b' is not valid: it, or its key, holds a control"),
        (r'notes: ["\e[2J"]', r":4: notes\[0\]: '\\x1b\[2J' is not valid: it, or its key, holds a control"),
        ("tables: {t: {title: ' ', rows: [{variant: adam, label: x}]}}", ":4: tables.t.title: '' is not valid: string"),
        (r'title: "\ud800"', r":4: title: '\\ud800' is not valid: it, or its key, holds a control"),
        (r'"\ud800": 1', r":4: '\\ud800': 1 is not valid: it, or its key, holds a control character"),
        ("base: {epochs: 0x" + "f" * 5000 + "}", ":4: '0xfff.* looks like a number but is not one"),
        ("base: {epochs: 1" + "0" * 50 + "}", ":4: base.epochs: is too large a number"),
        ("base: {epochs: " + "9" * 5000 + "}", ":4: '999.* looks like a number but is not one"),
        ("base: {epochs: 1e3}", ":4: base.epochs: '1e3' is not valid: a whole number is expected; write 1000$"),
        ("base: {epochs: 1e-3}", ":4: base.epochs: '1e-3' is not valid: a whole number is expected$"),
        ("base: {epochs: ten}", ":4: base.epochs: 'ten' is not valid: a whole number is expected$"),
        ("base: {epochs: yes}", ":4: base.epochs: 'true' is not valid: a whole number is expected$"),
        ("base: {model: {dropout: no}}", ":4: base.model.dropout: 'false' is not valid: input should be a valid"),
        ("base: {model: {filters: [32, yes]}}", r":4: base.model.filters\[1\]: 'true' is not valid: a whole number is"),
        ("base: {epochs: 0x_}", ":4: '0x_' looks like a number but is not one"),
        (
            "base: {optimizer: {learning_rate: 1e400}}",
            ":4: base.optimizer.learning_rate: '1e400' is not valid: input should be a finite",
        ),
        (
            "base: {optimizer: {learning_rate: .nan}}",
            ":4: base.optimizer.learning_rate: nan is not valid: input should be a finite number",
        ),
        ("data: {name: images, path: 'a{b}.tar'}", ":4: data.path: 'a{b}.tar' holds a brace, quote, "),
        ("data: {name: images, path: it's $(touch x)}", ":4: data.path: .* or line break; rename it"),
        (
            "tables: {runs: {title: x, rows: [{variant: adam, label: x}]}}",
            ":4: tables.runs: is the name of another file",
        ),
        (
            "tables: {t: {title: x, rows: [{variant: [], label: x}]}}",
            r":4: tables.t.rows\[0\].variant: \[\] is not",
        ),
        (f"{'n' * 61}: 1", f":4: '{'n' * 56}.*: unknown key"),
        ("? a b\n: 1", ":4: 'a b': unknown key"),
        ("[key]: 1", ":4: a key is a list or a mapping"),
        ("'[key]': 1", r":4: \[key\]: unknown key"),
        ("<<: {extends: 3}", ": extends: give the name of one YAML file"),
        ("extends: [a.yaml]", ":4: extends: give the name of one YAML file"),
        ('extends: "a\\0b"', ":4: extends: give the name of one YAML file"),
        ("extends: ..", "is not a file; give the name of a YAML file"),
        ("extends: " + "x" * 300, "cannot be read: File name too long"),
    ],
)
def test_odd_values_are_refused_by_their_place(tmp_path, line, error):
    write(tmp_path, odd=MINIMAL + line)
    with pytest.raises(ConfigError) as caught:
        load_study([tmp_path / "odd.yaml"])
    assert re.search(error, str(caught.value)), str(caught.value)
    assert len(caught.value.errors) == 1


@pytest.mark.parametrize(
    ("written", "understood"),
    [
        ("010", 8),
        ("007", 7),
        ("08", 8.0),
        ("-010", -8),
        ("1:30:00", 5400),
        ("1:30.5", 90.5),
        ("1_000", 1000),
        ("1_0e-3", 0.01),
        ("00.5", 0.5),
        ("0b11", 3),
        ("0x10", 16),
    ],
)
@pytest.mark.parametrize("line", ["base: {epochs: %s}", "title: %s", "notes: [one, %s]"])
def test_numbers_that_yaml_reads_otherwise_than_people_are_refused_with_both_readings(
    tmp_path, line, written, understood
):
    write(tmp_path, odd=MINIMAL + line % written)
    with pytest.raises(ConfigError, match=r"odd\.yaml:4: ") as caught:
        load_study([tmp_path / "odd.yaml"])
    advice = f"'{written}' would be read as {understood}; write {understood}, or '{written}' in quotes for a text"
    assert advice in str(caught.value)


@pytest.mark.parametrize("number", ["5", "+5", "50.0", "0.5e1", "5.", "5e0", ".5e+1", "0"])
def test_decimal_numbers_are_read(tmp_path, number):
    write(tmp_path, plain=MINIMAL + f"base: {{optimizer: {{weight_decay: {number}}}}}\nnotes: ['010', 1.2.3, v010]")
    study = load_study([tmp_path / "plain.yaml"])
    assert study.matrix.settings["adam"].optimizer.weight_decay == float(number)
    assert study.notes == ("010", "1.2.3", "v010")


def test_titles_labels_and_notes_are_on_one_line(tmp_path):
    text = r'"two\nlines  of\r\u202etext"'
    table = f"{{title: {text}, note: {text}, rows: [{{variant: adam, label: {text}}}]}}"
    write(tmp_path, odd=f"{MINIMAL}title: {text}\nnotes: [{text}]\ntables: {{t: {table}}}")
    study = load_study([tmp_path / "odd.yaml"])
    table = study.tables["t"]
    assert {study.title, *study.notes, table.title, table.note, table.rows[0].label} == {r"two lines of \u202etext"}


def test_a_file_too_large_to_be_a_study_is_not_read(tmp_path):
    write(tmp_path, large=MINIMAL + "title: " + "x" * 1_000_000)
    with pytest.raises(ConfigError, match="has 1,000,075 bytes; a study has far fewer than 1,000,000"):
        load_study([tmp_path / "large.yaml"])


def test_keys_and_dates_are_texts(tmp_path):
    write(tmp_path, odd=MINIMAL + "title: 2001-01-01\nnotes: [=, 2001-99-99]")
    study = load_study([tmp_path / "odd.yaml"])
    assert list(study.variants) == ["adam", "1e-3"]
    assert (study.title, study.notes) == ("2001-01-01", ("=", "2001-99-99"))


def test_errors_without_end_are_cut_short(tmp_path):
    rows = ", ".join("{variant: adan, label: x}" for _ in range(500))
    write(tmp_path, odd=MINIMAL + f"tables: {{t: {{title: x, rows: [{rows}]}}}}")
    with pytest.raises(ConfigError) as caught:
        load_study([tmp_path / "odd.yaml"])
    assert len(caught.value.errors) == 51
    assert caught.value.errors[-1].endswith("odd.yaml: and more; these are the first 50")


def test_the_examples_of_the_config_readme_are_valid_together():
    blocks = re.findall(r"```yaml\n(.*?)```", (CONFIG / "README.md").read_text(), re.DOTALL)
    config = {"study": "examples", "seeds": [0], "variants": {"adam": {}}}
    for block in blocks:
        config = merged_config(config, yaml.safe_load(block), built_in())
    assert config["components"] == ["my_components.py"]
    config["components"] = [str(ROOT / "examples/own-components/my_components.py")]
    study = Study.model_validate(config)
    assert len(blocks) >= 7
    assert {row.variant for row in study.tables["mine"].rows} <= study.matrix.variants.keys()
    assert len(study.landscape_models) == 2


def test_the_config_readme_names_every_key():
    text = (CONFIG / "README.md").read_text()
    models = (Study, DataConfig, Landscape, JobOptions, Expansion, RunSettings)
    assert [key for model in models for key in model.model_fields if f"`{key}`" not in text] == []
