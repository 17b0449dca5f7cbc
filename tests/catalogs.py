"""Catalogs of recommenders, also of the recommenders inside others."""

from sklearn.base import clone


def with_catalog(recommender, catalog):
    """Return a clone with another catalog, also of the recommenders inside."""
    parts = recommender.get_params(deep=False).get("recommenders")
    changed = {"catalog": catalog} if parts is None else {name: with_catalog(part, catalog) for name, part in parts}
    return clone(recommender).set_params(**changed)
