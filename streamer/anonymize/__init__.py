"""The boundary of privacy: the gate, what may leave it, masks, zones and labels."""
