"""What a supervisor looks back at: any transcript, and the search over all of them."""
