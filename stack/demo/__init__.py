"""Show one SLO from its spec to a page and back, on real servers of this machine."""
