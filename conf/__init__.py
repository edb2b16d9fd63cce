"""The configuration files; see config.yaml."""
