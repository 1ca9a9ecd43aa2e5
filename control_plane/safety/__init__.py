"""What keeps callers safe: disclosure, age, help in a crisis, reports."""
