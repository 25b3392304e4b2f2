"""Yesterday's calls and texts, decided once more: by the rules in force, and by a draft of others."""
