"""Joint source-channel coding over software-defined radio."""
