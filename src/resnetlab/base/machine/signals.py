"""The signals by which people, terminals and schedulers ask a program to end."""

import signal

ENDING_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
    if hasattr(signal, name)  # Windows has the first two
)
"""Ctrl-C; services, containers and schedulers; a terminal that closes; and what Slurm, Grid Engine and LSF
send some time before they kill (sbatch --signal, qsub -notify, bsub -wa, a soft limit of CPU time). Who
trains answers by saving. They come to whole groups of processes, so that workers do not answer at all."""
