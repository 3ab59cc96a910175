"""Models that a Hugging Face `config.json` describes.

encoders.py       audio encoders, as the classes of `transformers` build them
decoders.py       text decoders
projectors.py     what lies between the two
vision.py         image encoders of the models that see as well
architectures.py  which of these a `model_type` puts together
estimate.py       caches, activations and inputs
"""
