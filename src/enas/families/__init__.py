"""What each kind of data brings to search and retraining: its search space, its rows, and networks that learn."""
