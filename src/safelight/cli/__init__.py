"""What people type: `safelight NOUN VERB`."""
