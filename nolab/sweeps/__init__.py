"""Many jobs as one: which are finished, which go on, who runs what."""
