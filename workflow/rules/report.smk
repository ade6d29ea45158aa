rule report:
    input:
        study=rules.study.output,
        runs=metrics_of_study,
        tables=expand(rules.compare.output, table=study.tables),
        figures=expand(rules.plot_curves.output, table=study.tables),
        landscape=[*rules.landscape.output, *rules.plot_landscape.output] if study.landscape else [],
        template="workflow/scripts/ablation/analysis/report.md.j2",
    output:
        report=report("results/report.md", caption="../report/report.rst", category="Report"),
        runs=report("results/tables/runs.csv", caption="../report/runs.rst", category="Runs"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/logs/report.benchmark.tsv"
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=script_digest("write_report.py"),
        training_code=code_of_training(),
        configfiles=configfiles,
    message:
        "Writing {output.report}"
    shell:
        "python workflow/scripts/write_report.py --study {input.study} --output {output.report}"
        " --runs-csv {output.runs} --configfile {params.configfiles:q} > {log} 2>&1"
