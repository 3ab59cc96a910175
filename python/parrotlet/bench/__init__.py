"""How fast a model is on this machine, stage by stage, and how near to what the machine can do.

    measure.py    loading, passes over a recording, and the report of them
    timed.py      a model that says where the time goes
    report.py     what is reported
    machine.py    multiply-adds and bytes per second that the machine reaches at most
    pacing.py     decoding at the pace of speech, which random weights do not have
    synthetic.py  models with random weights
    sound.py      a signal that resembles speech

`docs/benchmarks.md` says how to read the figures.
"""

from parrotlet.bench.machine import Machine, Rate
from parrotlet.bench.measure import Settings, run, run_preset
from parrotlet.bench.report import Report, Stage
from parrotlet.bench.synthetic import preset_names, random_model

__all__ = [
    "Machine",
    "Rate",
    "Report",
    "Settings",
    "Stage",
    "preset_names",
    "random_model",
    "run",
    "run_preset",
]
