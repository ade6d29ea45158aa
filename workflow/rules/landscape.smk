rule probe:
    input:
        data=rules.prepare_data.output.description,
        arrays=ancient(rules.prepare_data.output.arrays),
    output:
        "results/probes/{variant}/seed{seed}/probe.json",
    log:
        "results/probes/{variant}/seed{seed}/probe.log",
    benchmark:
        "results/probes/{variant}/seed{seed}/benchmark.tsv"
    conda:
        "../envs/ablation.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=int(has_gpu()),
    params:
        study=study.study,
        spec=run_spec,
        probe=probe_options,
        code=code_digest("probe.py"),
    message:
        "Probing {wildcards.variant}, seed {wildcards.seed}"
    shell:
        "python workflow/scripts/probe.py --run $(dirname {output}) --study {params.study} --data $(dirname {input.data})"
        " --threads {threads} {params.probe} --spec {params.spec:q} > {log} 2>&1"
