"""Model files: what there is (`catalogue`) and where it lies on this machine (`store`)."""
