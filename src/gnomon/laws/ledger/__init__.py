"""The ledger: an append-only, hash-chained book of predictions and their scores."""
