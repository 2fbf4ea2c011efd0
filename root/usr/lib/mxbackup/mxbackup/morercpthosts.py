"""qmail's second list, for the names beyond the first fifty: `morercpthosts` and its cdb."""


def compiled_names(kinds):
    """Return the names (set of str) that `rcpthosts` may leave out: they are in the compiled list now.

    `kinds`: dict name -> kind, in output order.
    """
    return frozenset()
