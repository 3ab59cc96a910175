"""Estimating n-gram language models over a model's tokens from text."""

from parrotlet.ngrams.making import Made, make_language_model

__all__ = ["Made", "make_language_model"]
