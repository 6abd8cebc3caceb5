"""Port the SLO plugins that ship with sloth, one per module, under their ids."""
