"""The e-smith configuration engine: databases, templates, events. It knows nothing of mail."""
