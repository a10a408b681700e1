"""The only room that touches user data through the operating system: verbs below one directory."""
