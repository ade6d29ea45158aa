# `snakemake audit` trains some finished runs again, beside the results, and tells how many repeat bit for bit.


use rule train as train_again with:
    input:
        data=rules.prepare_data.output.description,
        arrays=ancient(rules.prepare_data.output.arrays),
        variant=of_known_variant,
        finished="results/runs/{variant}/seed{seed}/metrics.json",
    output:
        "results/audit/{variant}/seed{seed}/metrics.json",
    log:
        "results/audit/{variant}/seed{seed}/train.log",
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
        code=code_of("results/audit/{variant}/seed{seed}/metrics.json"),
        options=run_options,
    message:
        "Training {wildcards.variant}, seed {wildcards.seed}, again"


rule audit:
    input:
        finished=files_of_audit("results/runs/{variant}/seed{seed}/metrics.json"),
        again=files_of_audit("results/audit/{variant}/seed{seed}/metrics.json"),
    output:
        "results/audit.md",
    log:
        "results/logs/audit.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("audit.py"),
    message:
        "Comparing the audited runs"
    shell:
        "python {params.scripts}/audit.py --runs $(dirname {input.finished}) --output {output} > {log} 2>&1"
