"""How fast smalti is, measured beside others in the same run; README.md says how to run each."""
