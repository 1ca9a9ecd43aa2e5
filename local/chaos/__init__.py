"""Breaking the system on purpose, with ground truth kept by the callers and not by us."""
