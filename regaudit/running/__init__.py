"""Many files: workers, Dask, the cache, limits on processes."""
