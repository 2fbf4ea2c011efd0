"""Other machines: addresses and time limits, DNS, SMTP.

It holds dialogues and knows nothing of rules, of files, or of what an answer means for a backup MX.
"""
