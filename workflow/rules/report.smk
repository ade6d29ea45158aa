rule report:
    input:
        study=rules.study.output,
        runs=metrics_of_study,
        tables=expand(rules.compare.output, table=study.tables),
        figures=expand(rules.plot_curves.output, table=study.tables),
    output:
        report="results/report.md",
        runs="results/tables/runs.csv",
    params:
        code=code_digest("write_report.py"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/logs/report.benchmark.tsv"
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Writing {output.report}"
    shell:
        "python workflow/scripts/write_report.py --study {input.study} --output {output.report}"
        " --runs-csv {output.runs} > {log} 2>&1"
