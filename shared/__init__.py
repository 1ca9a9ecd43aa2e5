"""What both sides of the wire need. Imports nothing of ours."""
