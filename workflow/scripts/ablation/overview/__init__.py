"""What the runs of a study do, cost and differ in, and what Snakemake's terminal says of them.

A change here reruns nothing.
"""
