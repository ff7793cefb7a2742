"""The dialplan: lines that hand a call to an AudioSocket server, the forms that are made of them, and how each is written."""
