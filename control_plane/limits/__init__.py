"""How often and how much at once: token buckets, seats, and the doors of routes they guard."""
