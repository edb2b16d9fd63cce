"""Many jobs as one sweep: what is finished is skipped, what was interrupted goes on, failures are told.

A *job* is one config; its identity is the config's hash without paths. A *sweep* is what one multirun command asks
for; it keeps its identity when the command is given again, and each time is an *attempt* with a folder of its own:

    <output_dir>/.sweeps/<sweep>/sweep.json          id of the sweep, W&B's group
    <output_dir>/.sweeps/<sweep>/<attempt>/jobs/     one record and one log per job
    <output_dir>/<name>/.jobs/<job>.{json,lock}      the run directory that belongs to a job's identity
"""
