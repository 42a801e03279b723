"""Who may be seen: what likenesses say, and the decision on every track."""
