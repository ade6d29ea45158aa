"""Jobs on SLURM, through Snakemake's executor or submitit.

A change here reruns nothing.
"""
