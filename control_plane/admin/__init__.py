"""What operators do: find accounts, grant, adjust, freeze; by API and by a command."""
