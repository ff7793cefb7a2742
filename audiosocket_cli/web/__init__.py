"""What a server shows in a browser while it answers: its calls, their pages, their sound."""
