"""The few messages of Ray's GCS that distcheck reads, and how they become evidence."""
