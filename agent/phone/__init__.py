"""Before a call by telephone is a call: greeting, PIN, menu. No model is asked, nothing is paid."""
