"""What every plane stands on: ids, numbers, time, errors, states, store, HTTP conventions."""
