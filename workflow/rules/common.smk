# Loads and checks the config, and names what the rules ask for.
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, str(Path(workflow.basedir) / "workflow" / "scripts"))

from ablation.cluster import slurm as cluster, commands
from ablation.cluster.jobs import ids_that_run
from ablation.config import matrix
from ablation.config.study import Probing
from ablation.data.identity import data_identity
from ablation.data.image_files import DataError
from ablation.config.loading import load_study
from ablation.cluster.machine import has_gpu, set_environment
from ablation.runs.provenance import script_digest, training_digest
from ablation.config.settings import spec, spec_json
from ablation.runs.results import check_results, code_of_finished, digest_of_prepared
from ablation.config.plain_yaml import ConfigError

DEFAULT_STUDY = "config/demo.yaml"

set_environment()

try:
    study = load_study(workflow.configfiles or [DEFAULT_STUDY], workflow.config_settings.config)
    check_results(study)
    # A job of a cluster need not look at the images again: what started it has.
    DATA = str(commands.data_folder(study))
    DATA_IDENTITY = data_identity(study.data, Path(DATA), look=workflow.is_main_process)
except ConfigError as error:
    raise WorkflowError(f"The config has {len(error.errors)} error(s); no job was started.\n{error}")
except DataError as error:
    raise WorkflowError(f"The images cannot be used; no job was started.\n{error}")

# What `snakemake` has to be told to run this study again, for the commands that messages and report name.
CONFIGFILES = [os.path.relpath(path) for path in workflow.configfiles]
if CONFIGFILES == [DEFAULT_STUDY]:
    CONFIGFILES = []
CONFIG_OPTION = shlex.join(["--configfile", *CONFIGFILES]) if CONFIGFILES else ""

DATA_PARTS = [
    "train",
    *(["validation"] if study.data.validation_fraction else []),
    "test",
]


LANDSCAPE_TABLES = [
    "bands",
    "bands_by_epoch",
    "learning_rates",
    "accuracies",
    "probes",
    "probe_states",
    "by_seed",
    "left_out",
]


wildcard_constraints:
    variant="|".join(study.matrix.variants),
    seed="|".join(map(str, study.seeds)),
    table="|".join(study.tables) or "none",


def data_section(wildcards, output):
    """The config's data section. It names a place, and a moved archive must rerun nothing: Snakemake compares no
    parameter whose function asks for `output`."""
    return study.data.model_dump_json()


# Functions, since Snakemake reads `{x}` in other params as a wildcard.
def study_json(wildcards):
    """The checked study, whose change makes the analysis outdated."""
    return study.for_analysis()


def config_files(wildcards, output):
    """Where the study was read. Snakemake compares no parameter whose function asks for `output`."""
    return [os.path.relpath(path) for path in workflow.configfiles or [DEFAULT_STUDY]]


def config_overrides(wildcards, output):
    """What `--config` gave, as JSON."""
    return json.dumps(workflow.config_settings.config, default=str)


def configfiles(wildcards):
    """The config files, for the commands that the report names."""
    return CONFIGFILES


def run_spec(wildcards):
    """The settings that identify a run, as one line of JSON."""
    return spec_json(study.matrix.settings[wildcards.variant])


def run_options(wildcards, output):
    """Options that change no result. Snakemake compares no parameter whose function asks for `output`."""
    return commands.run_options(study)


def code_of(paths, probed=False):
    """A function for the digest of the code that makes these files; with `keep`, of that which made them."""

    def of_run(wildcards):
        settings = study.matrix.settings[wildcards.variant]
        found = expand(paths, **dict(wildcards.items())) if study.keep else []
        kept = code_of_finished(found, spec(settings), digest_of_prepared(Path(DATA), DATA_IDENTITY))
        return kept or training_digest(settings, probed=probed)

    return of_run


def code_of_training():
    """What the code of each run is now: the report names runs of another."""
    return sorted({training_digest(settings) for settings in study.matrix.settings.values()})


def packs_of_seeds():
    """Seeds that share a job, as they are in its paths, by the name of its rule; in one of its own, it is any seed."""
    if study.jobs.seeds_per_job == 1:
        return {"train": ["{seed}"]}
    packs = matrix.packs(study.seeds, study.jobs.seeds_per_job)
    return {f"train_seeds_{'_'.join(map(str, seeds))}": seeds for seeds in packs}


def memory_for(runs):
    """MB of main memory for so many runs in a job: a retry gets as much more as the first try had, up to three times."""

    def of_attempt(wildcards, attempt):
        return study.jobs.mem_mb * runs * min(attempt, 3)

    return of_attempt


def runtime_of_attempt(wildcards, attempt):
    """Minutes for a training job: a retry gets as much more as the first try had, up to three times."""
    return study.jobs.runtime * min(attempt, 3)


def on_failure():
    """What to type after a failure, with the profile that was used."""
    profile = {"slurm": "--profile slurm ", "cluster-generic": "--profile profiles/submitit "}
    snakemake = f"snakemake {profile.get(workflow.executor_plugin.name, '')}"
    return f"""\
Some jobs failed; what is finished is kept. Rerun one run by its target:
  {snakemake}results/runs/<variant>/seed<k>/metrics.json {CONFIG_OPTION}
or report on the finished runs, with the others named:
  {snakemake}report --config partial=true {CONFIG_OPTION}"""


def probe_options(wildcards):
    """At which steps a run is probed, and how far, as options of `probe.py`."""
    probing = study.landscape.probe if study.landscape else Probing()
    return f"--every {probing.every} --step-sizes {' '.join(map(str, probing.step_sizes))}"


def finished(paths):
    """These files; with `partial`, those that are there."""
    return [path for path in paths if not study.partial or os.path.exists(path)]


def metrics_of_table(wildcards):
    return finished(run.metrics for run in matrix.runs_of_table(study, wildcards.table))


def metrics_of_study(wildcards):
    return finished(run.metrics for run in matrix.runs(study))


def metrics_of_landscape(wildcards):
    return finished(run.metrics for run in matrix.runs_of_landscape(study))


def probes_of_landscape(wildcards):
    return finished(run.probe for run in matrix.probed_runs(study))


def landscape_figures():
    """Names of the figures beside the bands: the accuracies, the learning rates, each pair of probed runs."""
    pairs = study.landscape.probed if study.landscape else []
    return ["accuracy", "learning-rates", *(f"probe-{pair}" for pair in pairs)]


# What a profile sets for the rule `train` holds for packs of seeds too.
OVERWRITTEN = workflow.resource_settings.overwrite_resources
if "train" in OVERWRITTEN:
    OVERWRITTEN.update({name: OVERWRITTEN["train"] for name in packs_of_seeds()})
