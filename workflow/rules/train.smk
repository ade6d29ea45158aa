rule train:
    input:
        # What makes a run anew is the identity of the data, not a time stamp.
        data=ancient(rules.prepare_data.output.description),
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
    params:
        study=study.study,
        spec=run_spec,
        data=DATA_IDENTITY,
        code=code_digest("train.py"),
    message:
        "Training {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "exec python workflow/scripts/train.py --run $(dirname {output}) --study {params.study} --data $(dirname {input.data})"
        " --threads {threads} --spec {params.spec:q} >> {log} 2>&1"
