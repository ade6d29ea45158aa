rule train:
    input:
        data=rules.prepare_data.output.description,
        # Large, and described by their digest in data.json: new bytes retrain, a new time stamp does not.
        arrays=ancient(rules.prepare_data.output.arrays),
    output:
        "results/runs/{variant}/seed{seed}/metrics.json",
    log:
        "results/runs/{variant}/seed{seed}/train.log",
    benchmark:
        "results/runs/{variant}/seed{seed}/benchmark.tsv"
    conda:
        "../envs/ablation.yaml"
    threads: study.jobs.threads
    resources:
        mem_mb=memory_of_attempt,
        runtime=runtime_of_attempt,
        gpu=int(has_gpu()),
        # Not under params: another pace of the checkpoints is no reason to train anew.
        checkpoint_seconds=study.jobs.checkpoint_seconds,
    params:
        study=study.study,
        spec=run_spec,
        code=code_digest("train.py"),
    message:
        "Training {wildcards.variant}, seed {wildcards.seed}"
    shell:
        commands.TRAIN
