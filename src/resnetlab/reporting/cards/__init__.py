"""A model card: Markdown with a header that the Hugging Face hub reads, of all that a run's files say."""
