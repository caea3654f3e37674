"""GNU Radio blocks that call this package."""
