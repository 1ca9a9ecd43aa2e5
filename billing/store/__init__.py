"""All SQL of billing: a constant, a typed row, a short function. No decisions."""
