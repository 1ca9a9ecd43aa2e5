"""Who a caller talks to: characters, scenes, and the texts that an operator may reword."""
