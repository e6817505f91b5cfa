"""Pictures of what was measured: one module a figure, each with ``draw(data)`` and ``save(data, folder)``. Nothing is trained."""
