"""Why pods are not there or do not run: conditions, states, events, the last log."""
