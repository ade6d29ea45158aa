"""Images of any source -> arrays on disk, with what identifies them.

A change of the arrays, or of what identifies them, prepares the data again and reruns everything; nothing else does.
"""
