"""What the agent does by itself during a call, one file a behaviour."""
