"""The HL7 door: a listener that answers what is durable, and senders that deliver in order."""
