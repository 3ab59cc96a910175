"""From emitted tokens to text, words, times and confidences.

The tokens come from the searches of the runtime (`_core.Search`), which follow NeMo's strategies
token for token.
"""
