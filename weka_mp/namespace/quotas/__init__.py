"""How much of its quota a bucket uses, and who may use more."""
