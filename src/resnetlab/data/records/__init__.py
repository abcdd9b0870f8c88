"""Sources of records in shards, with an index of each: TFRecord, WebDataset, Hugging Face datasets."""
