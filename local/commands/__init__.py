"""One file a command: `add_arguments(parser)` and `async run(options) -> exit status`."""
