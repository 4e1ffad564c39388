"""Reads a results file with h5py as a user would: 100 finished tasks and a rejected one."""
import sys

import h5py
import numpy

with h5py.File(sys.argv[1], "r") as file:
    assert file.attrs["program"] == "yardmaster"
    assert "name: by hand" in file.attrs["scenario"]
    run = file["runs/marginal_cost/1000"]
    assert run.attrs["digest"] == "0123456789abcdef"
    tasks = run["tasks"]
    lengths = {name: len(column) for name, column in tasks.items()}
    assert set(lengths.values()) == {101}, lengths
    e2e = tasks["e2e_s"]
    assert e2e.attrs["unit"] == "s" and e2e.dtype == numpy.float64
    assert e2e.compression == "gzip" and e2e.shuffle
    assert abs(numpy.nanmean(e2e[:]) - 1.25) < 1e-9
    outcomes = h5py.check_enum_dtype(tasks["outcome"].dtype)
    assert (tasks["outcome"][:] == outcomes["finished"]).sum() == 100
    metrics = dict(zip(run["metrics/name"].asstr(), run["metrics/value"]))
    assert abs(metrics["e2e_s_mean"] - 1.25) < 1e-9
