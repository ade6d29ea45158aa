# For `snakemake` in this folder. The workflow itself is where other workflows and the workflow catalog look for it.
include: "workflow/Snakefile"


# What an included file calls its default target is none here.
rule default:
    default_target: True
    input:
        rules.report.input,
    localrule: True
