"""Sound that arrives while somebody speaks, whatever the protocol: decoding it, cutting it into
turns, recognising these."""
