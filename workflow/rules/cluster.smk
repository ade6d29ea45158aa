# What runs where on a cluster, and what is checked before a job is submitted to SLURM.


# Seconds each, while a SLURM job costs two seconds before it begins; and compute nodes often cannot download.
localrules:
    all,
    prepare_data,
    study,
    compare,
    plot_curves,
    landscape,
    plot_landscape,
    report,


def cancel_what_runs():
    """End the jobs of a call of submitit's profile that ends before them, as by Ctrl-C: its executor cancels those in a
    list, which is empty while it asks for their states."""
    submitted = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    ids = ids_that_run(submitted, study.study) if workflow.executor_plugin.name == "cluster-generic" else []
    if ids:
        command = [sys.executable, "workflow/scripts/submitit_bridge.py", "cancel", *ids]
        subprocess.run(command, check=False)


onstart:
    submitted = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
    try:
        if workflow.executor_plugin.name == "slurm":
            cluster.check(submitted, workflow.workdir_init)
            cluster.log_beside_runs(submitted)
            cluster.name_jobs(workflow, study.study)
            cluster.wake_at_the_end(workflow)
        elif any(job.resources.get("submitit_cluster") == "slurm" for job in submitted):
            cluster.check_requests(submitted, "profiles/submitit/config.yaml")
    except cluster.ClusterError as error:
        raise WorkflowError(str(error))
