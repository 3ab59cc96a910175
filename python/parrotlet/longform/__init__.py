"""Recordings that are too long to be recognised in one pass.

They are cut at silences into windows that overlap (`cutting`), as long as memory lets them be
(`limits`). Windows are recognised on their own, and what they say is merged where they overlap
(`merging`) and put together with times from the start of the recording (`assembly`).
"""
