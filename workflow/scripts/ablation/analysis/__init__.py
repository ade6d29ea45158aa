"""From finished runs to tables, figures and the report: pure functions over data frames. No torch."""
