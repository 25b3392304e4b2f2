"""What a country, a carrier or a recipient asks of texts: opt-out words, quiet hours, kinds of sender."""
