"""All SQL of the control plane."""
