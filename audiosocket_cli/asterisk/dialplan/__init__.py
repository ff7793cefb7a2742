"""The dialplan that leads to an AudioSocket server: its lines, forms made of them, and how they are written."""
