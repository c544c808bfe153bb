"""Programs that talk to the nodes: control, player, recorder, checks."""
