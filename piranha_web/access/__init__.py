"""Who may reach the site, and who may log in."""
