"""An ablation study: config -> matrix -> data -> train jobs -> one JSON per run -> tables, figures, report."""
