"""The domain: who owns what, where everything goes, what happened. No carrier protocol is known here."""
