"""`snakemake` as a script, which a warm `python` can run."""

from snakemake.cli import main

if __name__ == "__main__":
    main()
