"""Pages for people, made on the server; nothing in them is fetched from elsewhere."""
