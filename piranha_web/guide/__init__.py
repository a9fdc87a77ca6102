"""Introduction and Help: the pages, their order, what they say of fields and directives, and the search."""
