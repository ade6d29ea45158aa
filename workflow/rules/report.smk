rule list_runs:
    input:
        study=rules.study.output,
        runs=metrics_of_study,
    output:
        "results/tables/runs.csv",
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


rule judge_claims:
    input:
        study=rules.study.output,
        runs=rules.list_runs.output,
        landscape=rules.landscape.output if study.landscape else [],
    output:
        "results/tables/claims.csv",
        "results/tables/claims.tex",
        "results/claims.json",
    log:
        "results/logs/judge_claims.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("judge_claims.py"),
        options=options_of_study,
    message:
        "Judging the claims"
    shell:
        "python {params.scripts}/judge_claims.py --study {input.study} --runs {input.runs} --landscape results/landscape"
        " --output {output} --snakemake-options={params.options:q} > {log} 2>&1"


rule plot_claims:
    input:
        study=rules.study.output,
        claims=rules.judge_claims.output[0],
    output:
        report(
            "results/figures/claims.svg",
            caption="../report/claims.rst",
            category="Report",
            labels={"what": "the claims and their verdicts"},
        ),
        "results/figures/claims.png",
    log:
        "results/logs/plot_claims.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("plot_claims.py"),
    message:
        "Plotting the claims"
    shell:
        "python {params.scripts}/plot_claims.py --study {input.study} --claims {input.claims} --output {output} > {log} 2>&1"


rule plot_best_run:
    input:
        runs=rules.list_runs.output,
    output:
        [
            report(
                f"results/figures/{name}.svg",
                caption="../report/best_run.rst",
                category="Best run",
                labels={"what": name},
            )
            for name in ("confusion", "filters")
        ],
        expand("results/figures/{name}.png", name=("confusion", "filters")),
    log:
        "results/logs/plot_best_run.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("plot_best_run.py"),
    message:
        "Plotting what the best run confuses, and its filters"
    shell:
        "python {params.scripts}/plot_best_run.py --runs {input.runs} --output results/figures > {log} 2>&1"


rule write_report:
    input:
        study=rules.study.output,
        runs=rules.list_runs.output,
        claims=rules.judge_claims.output if study.claims else [],
        tables=expand(rules.compare.output, table=study.tables),
        figures=[
            *expand([*rules.plot_comparison.output, *rules.plot_curves.output], table=study.tables),
            *(rules.plot_claims.output if study.claims else []),
            *rules.plot_best_run.output,
        ],
        landscape=[*rules.landscape.output, *rules.plot_landscape.output] if study.landscape else [],
        template=f"{SCRIPTS}/ablation/analysis/report.md.j2",
    output:
        "results/report.md",
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
        options=options_of_study,
    message:
        "Writing {output}"
    shell:
        "python {params.scripts}/write_report.py --study {input.study} --runs {input.runs} --landscape results/landscape"
        " --output {output} --snakemake-options={params.options:q} > {log} 2>&1"


rule write_model_card:
    input:
        study=rules.study.output,
        runs=rules.list_runs.output,
        template=f"{SCRIPTS}/ablation/analysis/model_card.md.j2",
    output:
        "results/model_card.md",
    log:
        "results/logs/model_card.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("write_model_card.py"),
    message:
        "Writing {output}"
    shell:
        "python {params.scripts}/write_model_card.py --study {input.study} --runs {input.runs} --output {output} > {log} 2>&1"


rule write_page:
    input:
        report=rules.write_report.output,
        figures=rules.write_report.input.figures,
        landscape=rules.write_report.input.landscape,
        parts=expand(f"{SCRIPTS}/ablation/analysis/page.{{kind}}", kind=["html.j2", "css", "js"]),
    output:
        "results/report.html",
        report(
            "results/report-without-figures.html",
            caption="../report/report.rst",
            category="Report",
            labels={"what": "the report, without its figures"},
        ),
    log:
        "results/logs/page.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("write_page.py"),
    message:
        "Writing {output}"
    shell:
        "python {params.scripts}/write_page.py --report {input.report} --output {output} > {log} 2>&1"


# Asks for every file by itself: Snakemake does not look for what is behind a file that is up to date.
rule report:
    default_target: True
    input:
        rules.write_report.input,
        rules.write_report.output,
        rules.write_page.output,
        rules.write_model_card.output,
        metrics_of_study,
        probes_of_landscape,
    localrule: True
