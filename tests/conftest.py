"""In which order the files of tests are given to the processes that run them."""


def pytest_collection_modifyitems(items):
    """Those that mostly wait come first, beside all others."""
    items.sort(key=lambda item: ("/slurm/" not in str(item.path), "submitit" not in item.path.name))
