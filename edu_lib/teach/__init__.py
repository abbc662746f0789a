"""What a chapter shows: figures, widgets, predictions, claims, the ledger and exercise checks."""
