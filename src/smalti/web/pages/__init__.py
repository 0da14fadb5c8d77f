"""The pages of the studio: each module has a `PAGE`."""
