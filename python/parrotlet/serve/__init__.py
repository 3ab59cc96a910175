"""`parrotlet serve`: OpenAI's audio API over HTTP. Nothing else in the package imports it.

It needs the extra `serve`: `pip install 'parrotlet[serve]'`.
"""
