"""Where audio lies, and links to it that end."""
