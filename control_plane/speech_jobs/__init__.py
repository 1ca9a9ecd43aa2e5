"""Long texts, spoken in pieces by the jobs process, paid once when they are delivered whole."""
