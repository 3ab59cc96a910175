"""Models from the Hugging Face hub, by the name of their repository.

    names.py      what "org/name@revision:file" means
    selection.py  which files of a repository make a model
    download.py   fetching those: resumed, checked, kept in the hub's own cache
    cache.py      where converted models are kept
    kept.py       what is there, and removing it
    client.py     what the hub says, and what its errors mean
    models.py     all of it in order

Needs `huggingface_hub` (`pip install 'parrotlet[hub]'`), but not for a model that is cached.
"""

from parrotlet.hub.models import descriptions, fetch_checkpoint, model_file
from parrotlet.hub.names import Repository, repository

__all__ = ["Repository", "descriptions", "fetch_checkpoint", "model_file", "repository"]
