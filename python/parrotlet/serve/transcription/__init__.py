"""POST /v1/audio/transcriptions: what is asked for, the work, and how it is answered."""
