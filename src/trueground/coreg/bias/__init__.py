"""Methods that find a correction of heights: a function of the place, or of a variable of the ground."""
