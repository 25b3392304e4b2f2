"""Who wants no texts: opt-outs of one recipient from one of our numbers, by API or by a word."""
