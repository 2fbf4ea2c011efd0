"""What a backup MX rule is, which rules there are, and their text forms.

It knows names, kinds, public suffixes and the record that keeps them; nothing of mail servers or their files.
"""
