"""Context mixing: an autoregressive model mixed with counts of exact contexts."""
