"""What characters remember of an account: kept, found, told to a call as data, and erased."""
