# A job trains one run; or, with `pack_seeds`, all seeds of a variant side by side.
SEEDS_OF_JOB = list(study.seeds) if study.packs_seeds else ["{seed}"]
RECORDS = expand("results/runs/{{variant}}/seed{seed}/metrics.json", seed=SEEDS_OF_JOB)


# No benchmark: what a run cost, over all interruptions, is in its record.
rule train:
    input:
        data=rules.prepare_data.output.description,
        # Large, and described by their digest in data.json: new bytes retrain, a new time stamp does not.
        arrays=ancient(rules.prepare_data.output.arrays),
    output:
        RECORDS,
    log:
        log_of_training(study),
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
        "Training {wildcards.variant}, " + ("all seeds" if study.packs_seeds else "seed {wildcards.seed}")
    shell:
        "exec python {params.scripts}/train.py --run $(dirname {output}) --study {params.study} --data $(dirname {input.data})"
        " --threads {threads} --checkpoint-seconds {resources.checkpoint_seconds} {params.options} --spec {params.spec:q}"
        " >> {log} 2>&1"
