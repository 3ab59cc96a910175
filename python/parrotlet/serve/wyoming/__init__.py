"""Wyoming, the protocol of Home Assistant's voice services, on a port of its own."""
