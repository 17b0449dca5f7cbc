"""The diagrams of recommenders in notebooks, which scikit-learn draws."""

from __future__ import annotations

from typing import Any

from skgnnrec.catalog import ItemCatalog

__all__ = ["diagram"]


def diagram(recommender: Any) -> Any:
    """Return the diagram of a recommender: its catalog and the estimators among its parameters, or itself alone."""
    from sklearn.utils._repr_html.estimator import _VisualBlock  # scikit-learn draws itself without it if it moves

    parts = _parts(recommender)
    if not parts:
        return _VisualBlock("single", recommender, names=type(recommender).__name__, name_details=str(recommender))
    names = [f"{name}: {type(part).__name__}" for name, part in parts]
    found = [part for _, part in parts]
    return _VisualBlock("parallel", found, names=names, name_details=[str(part) for part in found])


def _parts(recommender: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in recommender.get_params(deep=False).items():
        if _is_part(value):
            found.append((name, value))
        elif isinstance(value, list | tuple):  # the recommenders of a composition, by name
            pairs = [entry for entry in value if isinstance(entry, list | tuple) and len(entry) == 2]
            found += [(str(inner), part) for inner, part in pairs if _is_part(part)]
    return found


def _is_part(value: Any) -> bool:
    is_estimator = hasattr(value, "get_params") and hasattr(value, "fit")
    return isinstance(value, ItemCatalog) or (is_estimator and not isinstance(value, type))
