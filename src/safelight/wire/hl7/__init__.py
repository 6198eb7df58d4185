"""HL7 v2: messages in their minimal lower layer frames, read without changing a byte, and acknowledgments."""
