"""The web process: call tokens, the REST API, the internal API of the agents, the jobs."""
