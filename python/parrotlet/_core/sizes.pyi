"""Bytes of the runtime's buffers, and its block sizes, for planning memory without a model."""

ARENA_ALIGNMENT: int
ARENA_BLOCK: int
CACHE_SLACK: int
FEED_FORWARD_FRAMES: int
MEL_TASK_FRAMES: int
MOST_POSITION_BYTES: int
POSITION_SLACK: int
RECURRENT_FRAMES: int
REVISED_FRAMES: int
SEARCH_FRAMES: int
SPAN: int
SUBSAMPLING_BLOCK: int
SUBSAMPLING_CHUNK: int
UNLIMITED_LEFT: int

def packed_matrix(type: str, rows: int, columns: int) -> int: ...
def packed_rows(type: str, rows: int, columns: int) -> int: ...
def rows_per_group(type: str) -> int: ...
def keys(quantised: bool, rows: int, d_head: int) -> int: ...
def values(quantised: bool, rows: int, d_head: int) -> int: ...
def attention_scratch(quantised: bool, keys: int, d_head: int) -> int: ...
def key_value_cache(heads: int, d_head: int, capacity: int) -> int: ...
