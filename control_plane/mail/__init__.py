"""Mail to people: notices become letters in their language, and leave by SMTP or into a folder."""
