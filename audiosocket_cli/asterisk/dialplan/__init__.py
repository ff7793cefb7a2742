"""The dialplan that leads to an AudioSocket server: its lines, the forms that are made of them, and how they are written."""
