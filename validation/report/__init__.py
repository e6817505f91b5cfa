"""What a run of the study leaves behind: console table, result files, figures."""
