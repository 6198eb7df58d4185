"""The wiring: settings become adapters, adapters become procedures behind their doors."""
