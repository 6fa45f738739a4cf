"""Sources to clean books to passages to packed, ordered token rows, with their proof. No torch; yields numpy."""
