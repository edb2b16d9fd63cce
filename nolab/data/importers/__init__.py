"""Everyone's files as a source of fields: one module per format, and what they share.

A format module turns a path into :class:`~nolab.data.importers.contents.Contents`: named lazy arrays per
split and what the format says of their axes, coordinates and roles. What it does not say the user does
(:class:`~nolab.data.importers.options.FileOptions`); ``assemble`` makes a source of both. Nothing here
unpickles, follows a link to another file or believes a declared size that the file can't hold.
"""
