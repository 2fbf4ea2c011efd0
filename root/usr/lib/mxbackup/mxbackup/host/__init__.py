"""The host: which e-smith engine it has, and who it is by its databases.

It knows nothing of rules, nor what a mail server does with them.
"""
