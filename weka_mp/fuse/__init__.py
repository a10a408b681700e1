"""The mount: a thin view of `weka_mp.namespace.tree` through pyfuse3."""
