"""What is done when a call is over: headline, memories, analysis; and the end of texts."""
