"""What the user's environment says to SLURM's commands, inside a job too, changes no job of the study."""

import pytest

from . import cluster as slurm
from .conftest import SNAKEMAKE, ClusterProject, SubmititProject

STUDY = """\
base: {model: {filters: [2, 3, 4]}, epochs: 2}
jobs: {mem_mb: 2500, runtime: 10}
variants: {adam: {}}
"""
TARGET = "results/runs/adam/seed0/metrics.json"
VARIABLES = {
    "SBATCH_MEM_PER_NODE": "100",
    "SBATCH_TIMELIMIT": "5",
    "SBATCH_EXPORT": "NONE",
    "SBATCH_WAIT": "1",
    "SQUEUE_STATES": "SUSPENDED",
}
CALLS = {"slurm": ClusterProject, "submitit": SubmititProject, "submit.py": SubmititProject}


@pytest.mark.parametrize("named", [True, False], ids=["a partition in the profile", "none in the profile"])
@pytest.mark.parametrize("call", CALLS)
def test_variables_of_sbatch(new_project, call, named):
    site = [("# slurm_partition: gpu", "slurm_partition: gpu")] if named else []
    project = new_project("variables", STUDY, site, CALLS[call])
    project.environment |= VARIABLES | {"SBATCH_PARTITION": "high"}
    status, output = project.submit() if call == "submit.py" else project.run(TARGET)
    assert status == 0, output
    project.wait_for_jobs()
    assert (project.folder / TARGET).exists()
    partition = "gpu" if named else "high"
    assert project.history("Partition", "ReqMem", "TimelimitRaw") == [[partition, "2500M", "10"]]
    assert f"Not used, since the study and {project.profile_file} say what jobs get: SBATCH_EXPORT, " in output


@pytest.mark.parametrize("call", CALLS)
def test_inside_an_allocation(new_project, call):
    project = new_project("allocation", STUDY, kind=CALLS[call])
    inside = ["salloc", "--partition=high", "--mem-per-cpu=1500"]
    if call == "submit.py":
        command = [SNAKEMAKE[0], "workflow/scripts/submit.py", "--configfile", "config/study.yaml"]
    else:
        command = [*SNAKEMAKE, "--profile", project.profile, *project.options, TARGET]
    status, output = project.ended(project.call(*inside, *command))
    assert status == 0, output
    project.wait_for_jobs()
    assert (project.folder / TARGET).exists()
    # The allocation, a job of this project too, may be accounted before.
    fields = ("Partition", "ReqMem", "TimelimitRaw")
    slurm.wait_for("a job as it was asked for", lambda: ["gpu", "2500M", "10"] in project.history(*fields))
