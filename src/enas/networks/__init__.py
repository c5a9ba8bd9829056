"""Networks, one file per search space: its supernet and its child."""
