"""From encoder output to tokens, text, times and confidences.

The decoders follow NeMo's greedy strategies token for token; each keeps its state between calls,
so that a recording may be decoded in pieces.
"""
