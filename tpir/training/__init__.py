"""Training Transformer Programs: tasks, data, the Gumbel-softmax loop, and accuracy."""
