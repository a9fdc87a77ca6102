"""One module for each panel; a view glues and decides nothing."""
