"""Models that a Hugging Face `config.json` describes and that this runtime does not run.

Nothing outside of this folder imports from it but the line that registers `PLANNER`.

reports.py     what is known of a configuration, and the report
models.py      which encoder, projector and decoder a `model_type` puts together
encoders.py    audio encoders, as the classes of `transformers` build them
decoders.py    text decoders
projectors.py  what lies between the two
vision.py      image encoders of the models that see as well
estimate.py    caches, activations and inputs
presets/       configurations of published models
"""

from parrotlet.memory.hf.reports import ForeignPlanner

PLANNER = ForeignPlanner()
