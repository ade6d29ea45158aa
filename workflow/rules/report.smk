rule list_runs:
    input:
        study=rules.study.output,
        runs=metrics_of_study,
    output:
        report("results/tables/runs.csv", caption="../report/runs.rst", category="Runs"),
    log:
        "results/logs/list_runs.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("list_runs.py"),
        training_code=code_of_training,
    message:
        "Listing the runs"
    shell:
        "python {params.scripts}/list_runs.py --study {input.study} --output {output} > {log} 2>&1"


rule report:
    input:
        study=rules.study.output,
        runs=rules.list_runs.output,
        tables=expand(rules.compare.output, table=study.tables),
        figures=expand(rules.plot_curves.output, table=study.tables),
        landscape=[*rules.landscape.output, *rules.plot_landscape.output] if study.landscape else [],
        template=f"{SCRIPTS}/ablation/analysis/report.md.j2",
    output:
        report("results/report.md", caption="../report/report.rst", category="Report"),
    log:
        "results/logs/report.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("write_report.py"),
        configfiles=configfiles,
    message:
        "Writing {output}"
    shell:
        "python {params.scripts}/write_report.py --study {input.study} --runs {input.runs} --landscape results/landscape"
        " --output {output} --configfile {params.configfiles:q} > {log} 2>&1"
