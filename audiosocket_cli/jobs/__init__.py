"""What commands do: which calls, what is said and kept in each, how they are shown, and what came of them."""
