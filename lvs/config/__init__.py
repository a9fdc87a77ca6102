"""The configuration of a cluster, as plain values: no Django, no input, no output."""
