#!/usr/bin/env bash
# Grades the submissions to an exercise as a Slurm job array, one shard for each task:
#
#   sbatch --array=1-6 ci/grading/slurm.sh --course course.toml --exercise EXERCISE \
#       --submissions FOLDER --out FOLDER
#
# All arguments go to `kmodlab grade`. The folders and the cache (KMODLAB_CACHE) are on a file system
# that all nodes share. A task whose node fails is queued again by Slurm (--requeue), and so is one whose
# host failed (status 69), three times at most; results that are finished are kept. Any other status but
# 0 is a mistake in the arguments or the course, and the task fails.
#SBATCH --job-name=kmodlab-grade
#SBATCH --cpus-per-task=1
#SBATCH --mem=3G
#SBATCH --requeue
#SBATCH --open-mode=append
set -uo pipefail

"${KMODLAB:-kmodlab}" grade "$@" --jobs "${SLURM_CPUS_PER_TASK:-1}" --no-install \
  --shard "${SLURM_ARRAY_TASK_ID:?}/${SLURM_ARRAY_TASK_COUNT:?}"
status=$?
if ((status == 69 && ${SLURM_RESTART_COUNT:-0} < 3)); then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
  # Slurm ends this task.
  sleep infinity
fi
exit "$status"
