"""Tell in terminals and documents how SLOs stand and stood."""
