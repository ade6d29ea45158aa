"""What SLURM would refuse ends with a sentence before anything is queued."""

import subprocess

import pytest

from . import cluster as slurm
from .conftest import ENVIRONMENT, SNAKEMAKE, ClusterProject, SubmititProject

STUDY = "base: {model: {filters: [2, 3, 4]}, epochs: 2}\nvariants: {adam: {}}\n"
PARTITIONS = "This cluster's partitions: broken, gpu, high, low."
PARTITION = ("# slurm_partition: gpu", "slurm_partition: gpu")
REFUSED = {
    "partition": (
        [("# slurm_partition: gpu", "slurm_partition: gpus")],
        ["rule train: Invalid partition name specified (asked for: --partition=gpus ", PARTITIONS],
    ),
    "account": ([("# slurm_account: lab", "slurm_account: labs")], ["Invalid account", "--account=labs"]),
    "more GPUs than a node has": (
        [PARTITION, ("{gpu: 1}\n", '{gpu: 0, gres: "gpu:9"}\n')],
        ["Requested node configuration is not available", "--gres=gpu:9"],
    ),
    "a kind of GPU that is not there": (
        [PARTITION, ("{gpu: 1}\n", '{gpu: 0, gres: "gpu:a100:1"}\n')],
        ["Requested node configuration is not available", "--gres=gpu:a100:1"],
    ),
}


@pytest.mark.parametrize("kind", [ClusterProject, SubmititProject])
@pytest.mark.parametrize("what", REFUSED)
def test_what_slurm_refuses_is_said_before_anything_is_queued(new_project, what, kind):
    site, expected = REFUSED[what]
    project = new_project("refused", STUDY, site, kind)
    calls = [project.run] if kind is ClusterProject else [project.run, project.submit]
    for call in calls:
        status, output = call()
        assert status == 1
        for part in ["No job was submitted: ", f"at the top of {kind.profile_file}", *expected]:
            assert part in output
        assert "Traceback" not in output
    assert project.history("JobID") == []


def refused(project, profile, **environment):
    """What is said where these variables differ."""
    result = subprocess.run(
        [*SNAKEMAKE, "--profile", profile],
        cwd=project.folder,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "Traceback" not in result.stdout + result.stderr
    return result.stdout + result.stderr


def test_no_sbatch_on_the_path(new_project, tmp_path):
    project = new_project("nowhere", STUDY)
    for tool in ("bash", "sh", "dirname", "which"):
        (tmp_path / tool).symlink_to(f"/usr/bin/{tool}")
    said = refused(project, "slurm", PATH=str(tmp_path))
    assert "No job was submitted: there is no sbatch on the PATH" in said


@pytest.mark.parametrize("kind", [ClusterProject, SubmititProject])
def test_a_cluster_that_does_not_answer(new_project, tmp_path, kind):
    project = new_project("silent", STUDY, kind=kind)
    config = tmp_path / "slurm.conf"
    config.write_text((slurm.STATE / "slurm.conf").read_text().replace("SlurmctldPort=16817", "SlurmctldPort=1"))
    said = refused(project, kind.profile, SLURM_CONF=str(config))
    assert "No job was submitted: SLURM does not answer: " in said


def test_a_share_of_a_gpu(new_project):
    project = new_project("share", STUDY, [("{gpu: 1}\n", '{gpu: 0, gres: "shard:1"}\n')])
    status, output = project.run("results/runs/adam/seed0/metrics.json")
    assert status == 0, output
    ((resources,),) = project.history("AllocTRES")
    assert "gres/shard=1" in resources
