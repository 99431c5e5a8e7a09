"""Forward and backward passes as students write them, with switches for their mistakes."""
