"""What a model file asks of a device: its ops, their dtypes, and where each would run. Nothing is executed."""
