"""Recording a call whose caller has said yes: the question, the tape, and its way to the store."""
