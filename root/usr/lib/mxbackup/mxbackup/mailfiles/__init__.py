"""From the rules to the mail servers' files, and back: what is wanted, changes, expansion, withdrawal, migration.

It goes through the shape of mailservers and knows nothing of who asks.
"""
