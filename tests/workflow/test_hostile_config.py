"""Configs meant to do harm: each ends in a sentence with no job started, or is taken as the plain text that it is."""

import csv
import html
import os
import re
import subprocess
import time
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from PIL import Image

from ablation.analysis.frames import read_csv
from ablation.analysis.landscape.files import TABLES
from ablation.analysis.tables import COMPARISON
from ablation.escaping import for_markdown, one_line

from .conftest import PARTS


def tenfold(first, reference, last):
    """A thing and eleven times ten of the one before: a tree of 10^11 values in a dozen lines."""
    lines = [f"a{n}: &a{n} {last % ', '.join([reference % (n - 1)] * 10)}" for n in range(1, 12)]
    return "\n".join([f"a0: &a0 {first}", *lines])


# What a config file holds, and what Snakemake answers.
FILES = {
    "itself": ("study: &mine {x: *mine}", ":1: is nested more than 50 levels deep, or an alias"),
    "endless-merge": ("base: &base {<<: *base}", ":1: is nested more than 50 levels deep"),
    "laughs": (tenfold("[ha]", "*a%d", "[%s]"), ":1: holds more than 100,000 values"),
    "merges": (tenfold("{x: 1}", "*a%d", "{<<: [%s]}"), ":1: holds more than 100,000 values"),
    "deep": ("study: " + "[" * 5000, ": is nested more than 50 levels deep"),
    "tag": (
        "study: mine\ntitle: !!python/object/apply:os.system ['touch pwned']",
        ":2: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed",
    ),
    "template": ("__use_yte__: true\nstudy: ?open('pwned', 'w').name", ":1: __use_yte__: is not allowed"),
    "key": ("study: mine\n? [a, b]\n: 1", ":2: a key is a list or a mapping; write a name"),
    "bracket": ("study: mine\nseeds: [0", ":2: is not valid YAML: while parsing a flow sequence"),
    "utf16": ("study: mine".encode("utf-16"), ": is not a text file in UTF-8"),
    "zero": (b"study: mine\ntitle: a\0b", ":2: is not valid YAML: control character U+0000"),
    "missing": (None, ": cannot be read: No such file or directory"),
}


def refused(project, expected, *arguments, config):
    """Snakemake says so, without a traceback, and has started nothing."""
    started = time.perf_counter()
    result = project.snakemake(*arguments, config=config)
    assert result.returncode != 0
    assert f"The config has {len(expected)} error(s); no job was started." in result.stdout
    for each in expected:
        assert each in result.stdout
    assert "Traceback" not in result.stdout
    assert not (project.folder / "results").exists()
    assert not (project.folder / "pwned").exists()
    assert time.perf_counter() - started < 60


def test_hostile_files_are_refused(project):
    for name, (content, _) in FILES.items():
        if content is not None:
            path = project.folder / f"config/{name}.yaml"
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.mkfifo(project.folder / "config/pipe.yaml")
    expected = [f"config/{name}.yaml{answer}" for name, (_, answer) in FILES.items()]
    expected += ["config/pipe.yaml: is not a file; give the name", "config: is not a file; give the name"]
    files = [f"config/{name}.yaml" for name in FILES]
    refused(project, expected, config=[*files, "config/pipe.yaml", "config"])


def test_a_name_that_a_shell_would_run_is_refused(project):
    name = "config/it's $(touch pwned).yaml"
    (project.folder / name).write_text("study: mine\n")
    refused(
        project, ['"config/it\'s $(touch pwned).yaml": the name of a config file may hold no quotes, $'], config=name
    )


def test_what_only_snakemake_cannot_read_is_refused(project):
    """Snakemake takes it for a date; a study has none."""
    (project.folder / "config/date.yaml").write_text("study: mine\ntitle: 2001-99-99\n")
    refused(project, ["config/date.yaml: Snakemake cannot read it: month must be in 1..12"], config="config/date.yaml")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (
            ["study=-rf", "variants={../x: {}}", "title=["],
            ["--config: study: '-rf' is not a valid name", "--config: variants.../x: '../x' is not a valid name"],
        ),
        (["variants"], ["--config: Invalid config definition: Config entries have to be defined as name=value pairs"]),
        (["title=it's $(touch pwned)"], ["--config: title: holds both a quote and $ or `; write it in a config file"]),
        (["title=&a {x: *a}"], ["--config: title: is nested more than 50 levels deep, or an alias"]),
    ],
)
def test_hostile_options_are_refused(project, entries, expected):
    refused(project, expected, "--config", *entries, config="config/tiny.yaml")


def axes(settings, values):
    return "{" + ", ".join(f"{setting}: {list(range(1, values + 1))}" for setting in settings) + "}"


WIDE = axes(["epochs", "grad_clip", "l1_lambda", "scheduler.step_size", "augmentation.padding"], 10)
DEEP = axes([f"model.a{n}" for n in range(20)], 10)
# What is under `variants`, and what Snakemake answers.
VARIANTS = {
    "a grid without end": (f"v: {{grid: {DEEP}}}", "variants.v.grid: makes 100,000,000,000,000,000,000 variants;"),
    "a draw from it": (f"v: {{grid: {DEEP}, random: {{count: 1}}}}", "variants.v.grid.model.a0["),
    "many grids": (
        "\n  ".join(
            [f"v0: {{grid: &grid {WIDE}}}", *(f"v{n}: {{grid: *grid, batch_size: {n + 1}}}" for n in range(1, 9))]
        ),
        "100,000 at most",
    ),
    "like a list": ("v: {like: [v]}", "variants.v.like: no variant ['v']; Variants: v"),
    "like one another": ("v: {like: w}\n  w: {like: v}", "variants.v.like: leads back to this variant"),
    "like without end": (
        "\n  ".join(["v0: {}", *(f"v{n}: {{like: v{n - 1}}}" for n in range(1, 3000))]),
        "variants.v52.like: leads through more than 50 variants, each like another",
    ),
    "a name that is a path": ("v: {grid: {loss: [mse]}, name: '../../{loss}'}", "variants.v.name: makes the variant"),
    "a name that is code": ("v: {grid: {loss: {'$(touch pwned)': mse}}}", "is called '$(touch pwned)', which is no"),
    "an axis that is code": ("v: {grid: {__class__.__init__: [1]}}", "unknown key"),
    "a component that is a tree": (
        "v: {optimizer: {name: {name: sgd}}}",
        "{'name': 'sgd'} is not a known optimizer; choose",
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_hostile_variants_are_refused(project, name):
    variants, expected = VARIANTS[name]
    text = f"study: mine\ndata: {{name: digits}}\nseeds: [0]\nvariants:\n  {variants}\n"
    (project.folder / "config/mine.yaml").write_text(text)
    started = time.perf_counter()
    result = project.snakemake(config="config/mine.yaml")
    assert result.returncode != 0
    assert re.search(r"The config has \d+ error\(s\); no job was started\.\nconfig/mine\.yaml:\d+: ", result.stdout)
    assert expected in result.stdout
    assert "Traceback" not in result.stdout
    assert sorted(path.name for path in project.folder.iterdir() if path.name != ".snakemake") == sorted(PARTS)
    assert time.perf_counter() - started < 60


HARM = (
    "=cmd() {x} {{y}} {wildcards.seed} {0} 'q' \"d\" $(touch pwned) `touch pwned`; touch pwned & | \\ $HOME $x^$ %s é"
    " 漢\n<script>alert(1)</script> [a](b) ![c](d) *e* # &lt;"
)
CONFIG = "config/my study{1} (2); touch pwned & é.yaml"
COMPONENTS = 'it\'s {x} "mine" $(touch pwned); touch pwned & é.py'
SQUARE = """\
from typing import Literal

from ablation.config.kinds import Activation


class Square(Activation):
    name: Literal["square"] = "square"
    display_name = "Square"

    def build(self):
        import torch

        class Squared(torch.nn.Module):
            def forward(self, inputs):
                return inputs.square()

        return Squared()
"""
PICTURES = "data/a; touch pwned & (b) é 漢"


def hostile_study():
    vgg = {
        "model": {"name": "vgg_a", "width_multiplier": 0.02},
        "record_steps": True,
        "grid": {
            "model.batch_norm": {"plain": False, "bn": True},
            "optimizer.learning_rate": {"slow": 0.0001, "fast": 0.001},
        },
    }
    landscape = {
        "grid": "vgg",
        "models": {name: f"={name} {HARM}" for name in ("plain", "bn")},
        "band": [0.0001, 0.001],
    }
    return {
        "study": "hostile",
        "title": HARM,
        "data": {"name": "images", "path": PICTURES},
        "seeds": [0],
        "base": {"model": {"filters": [2, 3, 4]}, "epochs": 1, "batch_size": 8},
        "components": [COMPONENTS],
        "variants": {"adam": {"model": {"activation": "square"}}, "vgg": vgg},
        "tables": {"one": {"title": HARM, "note": HARM, "rows": [{"variant": "adam", "label": HARM}]}},
        "claims": {"one": {"says": HARM, "kind": "fact", "variant": "adam", "parameters": 1}},
        "landscape": {"title": HARM, "note": HARM, "reported": {"smoothness": HARM}, **landscape},
        "notes": [HARM],
    }


def draw_pictures(folder):
    pixels = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    for part in ("train", "test"):
        for label in ("one", "two"):
            (folder / part / label).mkdir(parents=True)
            for index, picture in enumerate(pixels):
                Image.fromarray(picture).save(folder / part / label / f"{index}.png")


def files_of(project):
    own = [project.folder / name for name in ("results", ".snakemake")]
    paths = {path for path in project.folder.rglob("*") if not any(path.is_relative_to(each) for each in own)}
    return {path for path in paths if "__pycache__" not in path.parts}


def test_hostile_texts_are_texts(project):
    (project.folder / CONFIG).write_text(yaml.safe_dump(hostile_study()))
    (project.folder / "config" / COMPONENTS).write_text(SQUARE)
    draw_pictures(project.folder / PICTURES)
    before = files_of(project)
    result = project.snakemake(config=CONFIG)
    assert result.returncode == 0, result.stdout
    assert files_of(project) == before
    assert not list(project.folder.rglob("pwned"))
    check_report(project.read("results/report.md"))
    check_tables(project.folder / "results")
    check_figures(project.folder / "results")
    check_page(project)
    assert "Nothing to be done" in project.snakemake("-n", config=CONFIG).stdout

    (project.folder / "results/runs/adam/seed0/metrics.json").unlink()
    assert project.snakemake("report", "--config", "partial=true", config=CONFIG).returncode == 0
    command = re.search(r"Rerun: `(snakemake .*metrics.json.*)`; log", project.read("results/report.md"))[1]
    assert run_as_pasted(project, command) == ["results/runs/adam/seed0/metrics.json", "--configfile", CONFIG]


def check_report(report):
    assert report.count(for_markdown(HARM)) > 8
    rest = report.replace(for_markdown(HARM), "")
    assert "cmd()" not in rest
    assert "<script" not in rest  # the words alone are in the links to headings


def check_tables(results):
    """No cell is run by a spreadsheet, and each is read as its text; numbers are numbers, negative ones too."""
    paths = [*results.glob("tables/*.csv"), *results.glob("landscape/*.csv")]
    cells = [
        cell for path in paths for line in csv.reader(path.open()) for cell in line if cell[:1] in ("=", "+", "-", "@")
    ]
    assert all(map(float, cells)), cells
    assert read_csv(results / "tables/one.csv", COMPARISON)["label"].tolist() == [one_line(HARM)]
    labels = set(read_csv(results / "landscape/learning_rates.csv", TABLES["learning_rates"])["model"])
    assert labels == {one_line(f"={name} {HARM}") for name in ("plain", "bn")}


def check_figures(results):
    """Texts are drawn as they are, and are no part of the SVG, where comments tell them."""
    paths = [*results.glob("figures/*.svg"), *results.glob("landscape/*.svg")]
    named = {path.stem for path in paths} - {"confusion", "filters", "claims"}  # claims are on several lines
    assert named == {"one", "one-curves", "bands", "accuracy", "learning-rates"}
    for path in paths:
        names = {element.tag.rpartition("}")[2] for element in ElementTree.parse(path).iter()}
        assert not names & {"script", "a", "foreignObject"}
        assert path.stem not in named or html.escape(one_line(HARM)[:40], quote=False) in path.read_text(), path


def check_page(project):
    """Texts are escaped in the report's page, and in that of Snakemake, where they are but in its title."""
    page = project.read("results/report.html")
    assert page.count("<script") == 1  # ours, which sorts
    assert page.count(html.escape(one_line(HARM)).replace("&#x27;", "'")) > 8
    assert project.snakemake("--report", "page.html", config=CONFIG).returncode == 0
    assert "<script>alert(1)" not in project.read("page.html")
    (project.folder / "page.html").unlink()


def run_as_pasted(project, command):
    """The arguments that a shell makes of a command of the report."""
    script = f"snakemake() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    result = subprocess.run(["bash", "-c", script], cwd=project.folder, capture_output=True, text=True, check=True)
    assert not (project.folder / "pwned").exists()
    return result.stdout.rstrip("\0").split("\0")


def test_hostile_names_of_images_are_shown_and_do_nothing(project):
    """A terminal would clear its screen."""
    (project.folder / CONFIG).write_text(yaml.safe_dump(hostile_study()))
    (project.folder / "config" / COMPONENTS).write_text(SQUARE)
    draw_pictures(project.folder / PICTURES)
    alone = project.folder / PICTURES / "train" / "\x1b[2Jthree\nfour"
    (alone.parent / "one").rename(alone)
    shown = r"\x1b[2Jthree\nfour"
    result = project.snakemake("results/data/images/data.json", config=CONFIG)
    assert result.returncode != 0
    assert f"only in train: '{shown}'" in result.stdout
    assert "\x1b" not in result.stdout + project.read("results/logs/prepare_data.log")

    (alone / "deep").mkdir()
    (alone / "deep" / "1.png").touch()
    result = project.snakemake("-n", config=CONFIG)
    assert f"'train/{shown}/deep/1.png' is out of place" in result.stdout
    assert "\x1b" not in result.stdout
