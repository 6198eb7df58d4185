"""What can be asked at once: patients, studies, packs, copies; computed from vault and journal."""
