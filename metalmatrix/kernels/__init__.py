"""Which ops a plugin registers for the GPU, read from its library without a GPU; and what a model needs."""
