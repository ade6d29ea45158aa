rule prepare_data:
    output:
        description=f"{DATA}/data.json",
        arrays=expand(f"{DATA}/{{part}}_{{kind}}.npy", part=DATA_PARTS, kind=["images", "labels"]),
    log:
        "results/logs/prepare_data.log",
    localrule: True
    conda:
        "../envs/ablation.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        scripts=scripts_folder,
        identity=DATA_IDENTITY,
        section=data_section,
    message:
        f"Preparing the data set {study.data.name}"
    shell:
        "python {params.scripts}/prepare_data.py --data {params.section:q} --identity {params.identity:q} --output $(dirname {output.description}) > {log} 2>&1"
