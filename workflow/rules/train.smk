# A job trains one run; or, with `pack_seeds`, all seeds of a variant side by side.
SEEDS_OF_JOB = list(study.seeds) if study.trains_side_by_side else ["{seed}"]
# Of a job for several runs, which have logs of their own too.
LOG = "results/runs/{variant}/" + ("train.log" if study.trains_side_by_side else "seed{seed}/train.log")
MORE_SEEDS = [str(seed) for seed in study.all_seeds if seed not in study.seeds]
RECORDS = expand("results/runs/{{variant}}/seed{seed}/metrics.json", seed=SEEDS_OF_JOB)


rule train:
    input:
        data=rules.prepare_data.output.description,
        # Large, and described by their digest in data.json: new bytes retrain, a new time stamp does not.
        arrays=ancient(rules.prepare_data.output.arrays),
        variant=of_known_variant,
    output:
        RECORDS,
    log:
        LOG,
    conda:
        "../envs/ablation.yaml"
    threads: study.jobs.threads * len(SEEDS_OF_JOB)
    resources:
        mem_mb=memory_for(len(SEEDS_OF_JOB)),
        runtime=runtime_of_attempt,
        gpu=int(has_gpu()),
        # Not under params: more or fewer checkpoints are no reason to rerun.
        checkpoint_seconds=study.jobs.checkpoint_seconds,
    params:
        scripts=scripts_folder,
        study=study.study,
        spec=run_spec,
        code=code_of(RECORDS),
        options=run_options,
    message:
        "Training {wildcards.variant}, " + ("all seeds" if study.trains_side_by_side else "seed {wildcards.seed}")
    shell:
        "exec python {params.scripts}/train.py --run $(dirname {output}) --study {params.study} --data $(dirname {input.data})"
        " --threads {threads} --checkpoint-seconds {resources.checkpoint_seconds} {params.options} --spec {params.spec:q}"
        " >> {log} 2>&1"


# Seeds that tables have besides the study's: `pack_seeds` packs those of the study, which every variant has.
if study.trains_side_by_side and MORE_SEEDS:

    use rule train as train_more_seeds with:
        output:
            "results/runs/{variant}/seed{seed}/metrics.json",
        log:
            "results/runs/{variant}/seed{seed}/train.log",
        wildcard_constraints:
            seed="|".join(MORE_SEEDS),
        threads: study.jobs.threads
        # Snakemake takes these sections as a whole, and nothing of those of `train`.
        resources:
            mem_mb=memory_for(1),
            runtime=runtime_of_attempt,
            gpu=int(has_gpu()),
            checkpoint_seconds=study.jobs.checkpoint_seconds,
        params:
            scripts=scripts_folder,
            study=study.study,
            spec=run_spec,
            code=code_of("results/runs/{variant}/seed{seed}/metrics.json"),
            options=run_options,
        message:
            "Training {wildcards.variant}, seed {wildcards.seed}"


rule probe:
    input:
        data=rules.prepare_data.output.description,
        arrays=ancient(rules.prepare_data.output.arrays),
        variant=of_known_variant,
    output:
        "results/probes/{variant}/seed{seed}/probe.json",
    log:
        "results/probes/{variant}/seed{seed}/probe.log",
    # The longest jobs, and most steps after them: what begins first leaves the least to wait for at the end.
    priority: 1
    conda:
        "../envs/ablation.yaml"
    threads: study.jobs.threads
    resources:
        mem_mb=memory_for(1),
        runtime=runtime_of_attempt,
        gpu=int(has_gpu()),
        # Not under params: more or fewer checkpoints are no reason to rerun.
        checkpoint_seconds=study.jobs.checkpoint_seconds,
    params:
        scripts=scripts_folder,
        study=study.study,
        spec=run_spec,
        probe=probe_options,
        code=code_of("results/probes/{variant}/seed{seed}/probe.json", probed=True),
        options=run_options,
    message:
        "Probing {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "exec python {params.scripts}/probe.py --run $(dirname {output}) --study {params.study} --data $(dirname {input.data})"
        " --threads {threads} --checkpoint-seconds {resources.checkpoint_seconds} {params.probe} {params.options} --spec {params.spec:q}"
        " >> {log} 2>&1"
