rule probe:
    input:
        data=rules.prepare_data.output.description,
        arrays=ancient(rules.prepare_data.output.arrays),
    output:
        "results/probes/{variant}/seed{seed}/probe.json",
    log:
        "results/probes/{variant}/seed{seed}/probe.log",
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


rule landscape:
    input:
        study=rules.study.output,
        runs=metrics_of_landscape,
        probes=probes_of_landscape,
    output:
        report(
            expand("results/landscape/{name}.csv", name=landscape_files.TABLES),
            caption="../report/landscape_table.rst",
            category="Landscape",
        ),
    log:
        "results/logs/landscape.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        scripts=scripts_folder,
        code=code_of_script("landscape.py"),
    message:
        "Measuring the loss landscape"
    shell:
        "python {params.scripts}/landscape.py --study {input.study} --output results/landscape > {log} 2>&1"


rule plot_landscape:
    input:
        study=rules.study.output,
        tables=rules.landscape.output,
    output:
        report(
            expand("results/landscape/{name}.svg", name=landscape_files.figure_names(study)),
            caption="../report/landscape.rst",
            category="Landscape",
        ),
        expand("results/landscape/{name}.png", name=landscape_files.figure_names(study)),
    log:
        "results/logs/plot_landscape.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        scripts=scripts_folder,
        code=code_of_script("plot_landscape.py"),
    message:
        "Plotting the loss landscape"
    shell:
        "python {params.scripts}/plot_landscape.py --study {input.study} --folder results/landscape > {log} 2>&1"
