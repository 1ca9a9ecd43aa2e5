"""A demo voice: the OpenAI Realtime and REST protocols over espeak-ng and pocketsphinx."""
