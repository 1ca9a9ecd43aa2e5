"""The parts of the server that behaves like Stripe; `tests/fakes/stripe_server.py` starts it."""
