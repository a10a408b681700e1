"""The mount: a thin view of `weka_mp.namespace.tree.facade` through pyfuse3."""
