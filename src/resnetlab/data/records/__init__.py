"""Sources in records: TFRecord, WebDataset, Hugging Face datasets."""
