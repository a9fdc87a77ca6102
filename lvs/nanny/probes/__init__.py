"""The kinds of check, one file each: a coroutine that ends with a Finding, within the check's timeout."""
