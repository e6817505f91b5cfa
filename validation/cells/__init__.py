"""What is computed: cells of sweeps, and what several claims make of them. They know neither rules nor claims."""
