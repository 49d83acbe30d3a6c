"""Who does what when: the workers of the queue."""
