# Loads and checks the config, and names what the rules ask for.
import gc
import inspect
import json
import os
import subprocess
import sys
from functools import cache, partial
from pathlib import Path

from snakemake.exceptions import WorkflowError

# As a user types it in the working directory, which may be another than that of this repository.
SCRIPTS = os.path.relpath(Path(str(workflow.current_basedir)).parent / "scripts")
if not os.path.isdir(SCRIPTS):
    raise WorkflowError(
        f"{SCRIPTS} is not a folder, and this workflow needs its scripts. To use it as a module, clone its repository, "
        "and give the path of its workflow/Snakefile."
    )
sys.path.insert(0, os.path.abspath(SCRIPTS))

from ablation.analysis.landscape import files as landscape_files
from ablation.cluster import slurm as cluster, snakemake_calls
from ablation.cluster.jobs import ids_that_run, train_options
from ablation.config import matrix
from ablation.config.study import Probing
from ablation.overview import last_call, terminal
from ablation.overview.audit import chosen
from ablation.data.identity import data_identity
from ablation.data.image_files import DataError
from ablation.config.loading import load_study
from ablation.cluster.machine import has_gpu, set_environment, use_warm_python
from ablation.runs import finished as finished_runs
from ablation.runs.provenance import script_digest, training_digest
from ablation.config.settings import spec, spec_json
from ablation.runs.results import check_results, code_of_finished, data_folder, digest_of_prepared
from ablation.config.plain_yaml import ConfigError
from ablation.escaping import for_rst, for_shell, for_terminal
from ablation.config.texts import SNAKEMAKE_OPTIONS, choices, shown, snakemake_command, study_options, suggestion

set_environment()

# What is made of a study of thousands of runs lives until Snakemake ends: to look for garbage in it all the while finds
# none, and takes a fifth of the time.
gc.set_threshold(100_000)

# The config files and, over them, what `--config` gave or another workflow that uses this one as a module.
DEFAULT_STUDY = os.path.relpath(Path(SCRIPTS, "../../config/demo.yaml"))
CONFIGFILES, OVERRIDES = snakemake_calls.given_config(workflow, config, DEFAULT_STUDY)

try:
    study = load_study(CONFIGFILES, OVERRIDES)
    check_results(study)
    DATA = str(data_folder(study))
    # With `partial` nothing can train, and the images may be elsewhere. A job of a cluster need not look at them again:
    # what started it has.
    DATA_IDENTITY = "" if study.partial else data_identity(study.data, Path(DATA), look=workflow.is_main_process)
except ConfigError as error:
    raise WorkflowError(for_terminal(f"The config has {len(error.errors)} error(s); no job was started.\n{error}"))
except DataError as error:
    raise WorkflowError(for_terminal(f"The images cannot be used; no job was started.\n{error}"))

# For the start page of `snakemake --report`, which knows only this of the config.
config["report_title"] = for_rst(study.title or study.study)

# What `snakemake` has to be told to run this study again, for the commands that messages and report name.
OPTIONS = study_options([] if CONFIGFILES == [DEFAULT_STUDY] else CONFIGFILES, OVERRIDES if CONFIGFILES else {})
PLANNED = partial(snakemake_calls.planned, workflow) if workflow.output_settings.dryrun else None
TERMINAL = terminal.StudyTerminal(study, PLANNED)
snakemake_calls.let_speak(workflow, terminal.ShortFailures() if snakemake_calls.uses_own_words(workflow) else TERMINAL)

DATA_PARTS = [
    "train",
    *(["validation"] if study.data.held_out_fraction else []),
    "test",
]


wildcard_constraints:
    variant="[a-z0-9-]+",
    seed="|".join(map(str, study.all_seeds)),
    table="|".join(study.tables) or "none",


def with_signature(function):
    """This function, which has Snakemake ask for its parameters once, and not several times a job."""
    function.__signature__ = inspect.signature(function)
    return function


# Snakemake compares no parameter whose function asks for `output`: another value reruns nothing.
@with_signature
def scripts_folder(wildcards, output):
    """Where the scripts are."""
    return SCRIPTS


def data_section(wildcards, output):
    """The config's data section. It names a place, and a moved archive must rerun nothing."""
    return study.data.model_dump_json()


# Functions, since Snakemake reads `{x}` in other params as a wildcard.
def study_json(wildcards):
    """The checked study, whose change makes the analysis outdated."""
    return study.for_analysis()


def config_files(wildcards, output):
    """Where the study was read."""
    return CONFIGFILES


def config_overrides(wildcards, output):
    """What is set over the config files, as JSON."""
    return json.dumps(OVERRIDES, default=str)


def options_of_study(wildcards):
    """Options for the commands that the report names."""
    return OPTIONS


@with_signature
def of_known_variant(wildcards):
    """No file. A run of another is refused here, since a pattern of all names would be searched for each file."""
    name, variants = wildcards.variant, study.matrix.variants
    if name not in variants:
        raise WorkflowError(f"no variant {shown(name)}; {suggestion(name, variants)}Variants: {choices(variants)}")
    return []


# Of each variant once, whatever the number of its seeds.
spec_of_variant = cache(lambda variant: spec_json(study.matrix.settings[variant]))


@with_signature
def run_spec(wildcards):
    """The settings that identify a run, as one line of JSON."""
    return spec_of_variant(wildcards.variant)


@with_signature
def run_options(wildcards, output):
    """Options that change no result."""
    return for_shell(*train_options(study))


def code_of(paths, probed=False):
    """A function for the digest of the code that makes these files; with `keep`, of that which made them."""

    @cache
    def now(variant):
        return training_digest(study.matrix.settings[variant], probed=probed)

    def kept(wildcards):
        found = expand(paths, **dict(wildcards.items()))
        data = digest_of_prepared(Path(DATA), DATA_IDENTITY)
        return code_of_finished(found, spec(study.matrix.settings[wildcards.variant]), data)

    @with_signature
    def of_run(wildcards):
        return (kept(wildcards) if study.keep else None) or now(wildcards.variant)

    return of_run


def code_of_script(script):
    """A function for the digest of a script, since a job of a cluster needs only its own."""
    return lambda wildcards: script_digest(script)


def code_of_training(wildcards):
    """What the code of each run is now: the report names runs of another."""
    return sorted({training_digest(settings) for settings in study.matrix.settings.values()})


def memory_for(runs):
    """MB of main memory for so many runs in a job: a retry gets as much more as the first try had, up to three times."""

    def of_attempt(wildcards, attempt):
        return study.jobs.mem_mb * runs * min(attempt, 3)

    return of_attempt


def runtime_of_attempt(wildcards, attempt):
    """Minutes for a training job: a retry gets as much more as the first try had, up to three times."""
    return study.jobs.runtime * min(attempt, 3)


def probe_options(wildcards):
    """At which steps a run is probed, and how far, as options of `probe.py`."""
    probing = study.landscape.probe if study.landscape else Probing()
    return f"--every {probing.every} --step-sizes {' '.join(map(str, probing.step_sizes))}"


def finished(paths):
    """These files; with `partial`, those that exist."""
    return [path for path in paths if not study.partial or os.path.exists(path)]


def metrics_of_table(wildcards):
    return finished(run.metrics for run in matrix.runs_of_table(study, study.tables[wildcards.table]))


def metrics_of_study(wildcards):
    return finished(run.metrics for run in matrix.runs(study))


def metrics_of_landscape(wildcards):
    return finished(run.metrics for run in matrix.runs_of_landscape(study))


def probes_of_landscape(wildcards):
    return finished(run.probe for run in matrix.probed_runs(study))


def files_of_audit(path):
    """A function for this file of each run that the audit trains again."""

    def of_runs(wildcards):
        return [path.format(variant=run.variant, seed=run.seed) for run in chosen(study)]

    return of_runs
