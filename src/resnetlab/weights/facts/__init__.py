"""What is known of foreign weights beside their tensors: names, measures, preprocessing, architecture."""
