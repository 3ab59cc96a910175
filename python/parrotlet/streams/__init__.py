"""Many live streams that share each pass over a model's weights."""

from parrotlet.streams.group import Choices, GroupStream, StreamGroup
from parrotlet.streams.stats import GroupStats

__all__ = ["Choices", "GroupStats", "GroupStream", "StreamGroup"]
