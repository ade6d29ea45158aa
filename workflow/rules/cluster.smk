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
