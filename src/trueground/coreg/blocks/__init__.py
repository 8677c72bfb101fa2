"""Coregistration block by block: shifts of blocks, a field out of them, and the DEM that it moves."""
