"""What a model file asks of a device: its ops, their dtypes, where each would run; nothing is executed."""
