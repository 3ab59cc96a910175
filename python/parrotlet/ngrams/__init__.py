"""Estimating n-gram language models over a model's tokens from text."""

from parrotlet.ngrams.making import LanguageModelReport, make_language_model

__all__ = ["LanguageModelReport", "make_language_model"]
