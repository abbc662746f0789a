"""Long experiments: each writes data/results/NAME.json, shows progress and can be resumed."""
