"""Rules from what people have: files of other tools, read into rules of this language, and what has no equivalent said line by line."""
