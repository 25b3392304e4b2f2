"""Where trunks are: names looked up, and answers kept past an outage of the DNS."""
