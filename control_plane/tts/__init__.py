"""Who speaks: providers of speech behind one port, and the models they offer."""
