"""What a service tells about itself: structured logs and metrics."""
