"""What a person writes, checked: settings, presets, endpoints, and the parts they choose."""
