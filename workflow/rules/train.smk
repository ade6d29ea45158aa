# One rule for every run; or, with `seeds_per_job`, one for each pack of seeds that a job trains side by side.
# No benchmark: what a run cost, over all interruptions, is in its record.
for rule_name, seeds in packs_of_seeds().items():

    rule:
        name:
            rule_name
        input:
            data=rules.prepare_data.output.description,
            # Large, and described by their digest in data.json: new bytes retrain, a new time stamp does not.
            arrays=ancient(rules.prepare_data.output.arrays),
        output:
            expand("results/runs/{{variant}}/seed{seed}/metrics.json", seed=seeds),
        log:
            f"results/runs/{{variant}}/{commands.log_of_pack(seeds)}.log",
        conda:
            "../envs/ablation.yaml"
        threads: study.jobs.threads * len(seeds)
        resources:
            mem_mb=memory_for(len(seeds)),
            runtime=runtime_of_attempt,
            gpu=int(has_gpu()),
            # Not under params: another pace of the checkpoints is no reason to rerun.
            checkpoint_seconds=study.jobs.checkpoint_seconds,
        params:
            study=study.study,
            spec=run_spec,
            code=code_of(expand("results/runs/{{variant}}/seed{seed}/metrics.json", seed=seeds)),
            options=run_options,
        message:
            f"Training {{wildcards.variant}}, seed {', '.join(map(str, seeds))}".replace("{seed}", "{wildcards.seed}")
        shell:
            commands.TRAIN
