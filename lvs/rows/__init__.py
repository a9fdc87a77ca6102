"""What the database keeps, by what it is about; `lvs.models` has all of it under one name."""
