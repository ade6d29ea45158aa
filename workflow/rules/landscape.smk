rule landscape:
    input:
        study=rules.study.output,
        runs=metrics_of_landscape,
        probes=probes_of_landscape,
    output:
        expand("results/landscape/{name}.csv", name=landscape_files.TABLES),
    log:
        "results/logs/landscape.log",
    priority: 1
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
        [
            report(
                f"results/landscape/{name}.svg",
                caption="../report/landscape.rst",
                category="Landscape",
                labels={"what": name},
            )
            for name in landscape_files.figure_names(study)
        ],
        expand("results/landscape/{name}.png", name=landscape_files.figure_names(study)),
    log:
        "results/logs/plot_landscape.log",
    priority: 1
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
