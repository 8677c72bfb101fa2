"""Methods that find a rigid motion of the whole moving DEM."""
