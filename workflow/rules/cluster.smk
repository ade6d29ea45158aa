# What is checked and forgotten before the first job starts, and what is cancelled after a failure.


def cancel_what_runs():
    """End the jobs of a call of submitit's profile that ends before them, as by Ctrl-C: its executor cancels those in a
    list, which is empty while it asks for their states."""
    if snakemake_calls.executor(workflow) != "cluster-generic":
        return
    ids = ids_that_run(snakemake_calls.jobs_to_submit(workflow), study.study)
    if ids:
        command = [sys.executable, f"{SCRIPTS}/submitit_bridge.py", "cancel", *ids]
        subprocess.run(command, check=False)


onstart:
    submitted = snakemake_calls.jobs_to_submit(workflow)
    jobs = snakemake_calls.jobs_to_run(workflow)
    if snakemake_calls.executor(workflow) == "local":
        trains = any("checkpoint_seconds" in job.resources.keys() for job in jobs)
        use_warm_python(len(jobs), trains)
    try:
        if snakemake_calls.executor(workflow) == "slurm":
            cluster.check(submitted, snakemake_calls.folder(workflow))
            cluster.log_beside_runs(submitted)
            snakemake_calls.wake_at_the_end(workflow)
        elif any(job.resources.get("submitit_cluster") == "slurm" for job in submitted):
            cluster.check_requests(submitted, "profiles/submitit/config.yaml")
    except cluster.ClusterError as error:
        raise WorkflowError(str(error))
    finished_runs.forget(snakemake_calls.forced_outputs(workflow))
