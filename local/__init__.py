"""The whole system on one machine, without an account or a key. A development and demo tool."""
