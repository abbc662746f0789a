"""What builds and checks the kit; nothing here is needed to read a chapter."""
