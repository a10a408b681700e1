"""Administration: health, metrics and typed commands over a unix socket and a loopback port."""
