# What is checked and forgotten before the first job starts, and what is cancelled after a failure.


def cancel_what_runs():
    """End the jobs of a call that ends before them, as by Ctrl-C: the executors cancel those in a list, which is empty
    while they ask for states, and in which a job that is being submitted is not yet."""
    if snakemake_calls.executor(workflow) == "slurm":
        cluster.cancel_all(snakemake_calls.name_of_jobs(workflow))
    if snakemake_calls.executor(workflow) != "cluster-generic":
        return
    ids = ids_that_run(snakemake_calls.jobs_to_submit(workflow), study.study)
    if ids:
        command = [sys.executable, f"{SCRIPTS}/submitit_bridge.py", "cancel", *ids]
        subprocess.run(command, check=False)


def prepare_submission(jobs):
    """Refuse what SLURM would refuse, before anything is queued, and let the executor bear what clusters do."""
    try:
        if snakemake_calls.executor(workflow) == "slurm":
            cluster.check(jobs, snakemake_calls.folder(workflow))
            cluster.log_beside_runs(jobs)
            snakemake_calls.wake_at_the_end(workflow)
            snakemake_calls.use_site_defaults(workflow)
            snakemake_calls.ask_patiently()
        elif any(job.resources.get("submitit_cluster") == "slurm" for job in jobs):
            cluster.check_requests(jobs, "profiles/submitit/config.yaml")
    except cluster.ClusterError as error:
        raise WorkflowError(for_terminal(error))


def check_study_is_current(jobs):
    """What Snakemake is told not to compare would make a report of an earlier config."""
    (path,) = rules.study.output
    used = any(path in job.input for job in jobs) and not any(path in job.output for job in jobs)
    if used and Path(path).read_text(encoding="utf-8") != study.for_analysis() + "\n":
        raise WorkflowError(
            f"{path} is not that of this config, and this call would not update it, as with --rerun-triggers or after "
            f"--touch. No job was started. Delete it, and run the same command again: rm {path}"
        )


onstart:
    profiles = {"slurm": "--profile slurm ", "cluster-generic": "--profile profiles/submitit "}
    # A job on a cluster keeps those of the call that submitted it.
    os.environ.setdefault(SNAKEMAKE_OPTIONS, profiles.get(snakemake_calls.executor(workflow), "") + OPTIONS)
    snakemake_calls.look_once_a_timespan(workflow)
    snakemake_calls.cancel_in_peace(workflow)
    submitted = snakemake_calls.jobs_to_submit(workflow)
    jobs = snakemake_calls.jobs_to_run(workflow)
    check_study_is_current(jobs)
    if snakemake_calls.executor(workflow) == "local":
        use_warm_python([f"{SCRIPTS}/{script}" for script in snakemake_calls.scripts(jobs)])
    prepare_submission(submitted)
    last_call.remember(CONFIGFILES or [DEFAULT_STUDY], OVERRIDES, os.environ[SNAKEMAKE_OPTIONS])
    if not snakemake_calls.uses_own_words(workflow):
        print(TERMINAL.begin([job.output for job in jobs], f"python {SCRIPTS}/status.py --watch"), file=sys.stderr)
    finished_runs.forget(snakemake_calls.forced_outputs(workflow))
