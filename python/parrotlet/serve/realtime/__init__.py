"""OpenAI's realtime transcription: sessions and events over a websocket at /v1/realtime."""
