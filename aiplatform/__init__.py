"""aiplatform."""
