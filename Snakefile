# The flow: config -> matrix -> data -> train jobs -> one JSON per run -> tables and figures -> report.


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/landscape.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/cluster.smk"


rule all:
    default_target: True
    input:
        rules.report.output,


onerror:
    cancel_what_runs()
    print(on_failure())
