"""What each proxy listens on."""
