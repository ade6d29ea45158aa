rule study:
    output:
        "results/study.json",
    log:
        "results/logs/study.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=500,
        runtime=5,
    params:
        scripts=scripts_folder,
        study=study_json,
        files=config_files,
        overrides=config_overrides,
    message:
        "Writing the checked config for the analysis"
    shell:
        "python {params.scripts}/write_study.py --configfile {params.files:q} --config {params.overrides:q} --output {output}"
        " > {log} 2>&1"


rule compare:
    input:
        study=rules.study.output,
        runs=metrics_of_table,
    output:
        "results/tables/{table}.csv",
        "results/tables/{table}.tex",
    log:
        "results/logs/compare/{table}.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("compare.py"),
    message:
        "Comparing the runs of table {wildcards.table}"
    shell:
        "python {params.scripts}/compare.py --study {input.study} --table {wildcards.table} --output {output}"
        " > {log} 2>&1"


rule plot_comparison:
    input:
        study=rules.study.output,
        comparison="results/tables/{table}.csv",
    output:
        report(
            "results/figures/{table}.svg",
            caption="../report/comparison.rst",
            category="Comparisons",
            labels={"table": "{table}", "what": "accuracies and differences"},
        ),
        "results/figures/{table}.png",
    log:
        "results/logs/plot_comparison/{table}.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("plot_comparison.py"),
    message:
        "Plotting the comparison of table {wildcards.table}"
    shell:
        "python {params.scripts}/plot_comparison.py --study {input.study} --table {wildcards.table} --comparison {input.comparison}"
        " --output {output} > {log} 2>&1"


rule plot_curves:
    input:
        study=rules.study.output,
        runs=metrics_of_table,
    output:
        report(
            "results/figures/{table}-curves.svg",
            caption="../report/curves.rst",
            category="Comparisons",
            labels={"table": "{table}", "what": "training curves"},
        ),
        "results/figures/{table}-curves.png",
    log:
        "results/logs/plot_curves/{table}.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        scripts=scripts_folder,
        code=code_of_script("plot_curves.py"),
    message:
        "Plotting the training curves of table {wildcards.table}"
    shell:
        "python {params.scripts}/plot_curves.py --study {input.study} --table {wildcards.table} --output {output}"
        " > {log} 2>&1"
