"""Files make objects of trusted types only; others are refused by name, and nothing of them is run."""

import functools
import re
import sys
import threading
import types

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, SplineTransformer
from sklearn.tree import DecisionTreeRegressor

from skgnnrec import ItemCatalog, PopularityRecommender, RidgeRecommender, TextEmbedder, load, save
from skgnnrec.exceptions import LoadError
from skgnnrec.metrics import RankingScorer
from skgnnrec.model_selection import SameUsers

X = np.random.default_rng(0).random((30, 8)) < 0.4


class Doubler(BaseEstimator, TransformerMixin):
    """A transformer that is no part of a package."""

    def fit(self, X, y=None):
        self.factor_ = 2.0
        return self

    def transform(self, X):
        return self.factor_ * np.asarray(X)


@pytest.fixture
def own_module(monkeypatch):
    """Return the name of a module that has the transformer."""
    module = types.ModuleType("shop_transformers")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(Doubler, "__module__", module.__name__)
    module.Doubler = Doubler
    return module.__name__


def test_own_types_are_named_and_loaded_on_request(path, own_module):
    rec = RidgeRecommender(catalog=ItemCatalog(np.eye(8)), item_encoder=Doubler()).fit(X)
    save(rec, path)
    name = f"{own_module}.Doubler"
    with pytest.raises(
        LoadError, match=re.escape(f"types that are not trusted: ['{name}']. load(path, trusted=[...])")
    ):
        load(path)
    for trusted in ([name], (Doubler,), {name, "other.Type"}):
        assert np.array_equal(load(path, trusted=trusted).predict(X), rec.predict(X))


@pytest.mark.parametrize("trusted", ["shop.Doubler", Doubler])
def test_trusted_is_a_list(path, trusted):
    save(PopularityRecommender(), path)
    with pytest.raises(TypeError, match="trusted must be a list of names or types"):
        load(path, trusted=trusted)


TRUSTED = {
    "scorer and splitter": GridSearchCV(
        RidgeRecommender(), {"alpha": [1.0, 2.0]}, scoring=RankingScorer("recall", k=3), cv=SameUsers()
    ),
    "scorer of scikit-learn": GridSearchCV(RidgeRecommender(), {"alpha": [1.0]}, scoring=make_scorer(accuracy_score)),
    "splitter of scikit-learn": GridSearchCV(RidgeRecommender(), {"alpha": [1.0]}, cv=KFold(3, shuffle=True)),
    "function": SelectKBest(f_classif),
    "union": FeatureUnion([("ridge", RidgeRecommender()), ("passthrough", "passthrough")]),
    "ufunc": FunctionTransformer(np.sqrt),
}


@pytest.mark.parametrize("name", TRUSTED)
def test_scikit_learn_is_trusted(path, name):
    save(TRUSTED[name], path)
    assert repr(load(path)) == repr(TRUSTED[name])


def test_splines_are_trusted(path):
    splines = SplineTransformer().fit(np.arange(9.0)[:, None])
    save(splines, path)
    assert np.array_equal(load(path).transform([[2.5]]), splines.transform([[2.5]]))


def test_types_whose_state_compiled_code_trusts_are_refused(path):
    tree = DecisionTreeRegressor().fit(X, X[:, 0])
    save(tree, path)
    with pytest.raises(LoadError, match=r"not trusted: \['sklearn.tree._tree.Tree'\]"):
        load(path)
    assert np.array_equal(load(path, trusted=["sklearn.tree._tree.Tree"]).predict(X), tree.predict(X))


def local_type():
    class Local(Doubler):
        pass

    return Local()


def test_random_states_continue(path):
    state = np.random.RandomState(3)
    save(RidgeRecommender(random_state=state), path)
    assert load(path).random_state.random() == state.random()


def holding_itself():
    pipeline = make_pipeline(RidgeRecommender())
    pipeline.steps.append(("again", pipeline))
    return pipeline


UNSAVED = {
    "lambda": FunctionTransformer(lambda values: values),
    "local type": make_pipeline(local_type(), RidgeRecommender()),
    "iterator": FunctionTransformer(kw_args={"values": iter("ab")}),
    "file": FunctionTransformer(kw_args={"file": sys.stderr}),
    "lock": FunctionTransformer(kw_args={"lock": threading.Lock()}),
    "itself": holding_itself(),
}


@pytest.mark.parametrize("name", UNSAVED)
def test_what_cannot_be_loaded_is_not_saved(path, name):
    with pytest.raises(TypeError, match="cannot be saved"):
        save(UNSAVED[name], path)
    assert not path.exists()


def test_partial_functions_are_not_trusted(path):
    save(FunctionTransformer(functools.partial(np.add, 1)), path)
    with pytest.raises(LoadError, match=r"not trusted: \['functools.partial'\]"):
        load(path)
    assert load(path, trusted=["functools.partial"]).func(2) == 3


@pytest.mark.parametrize("value", [None, 3, "ridge", np.eye(3), RidgeRecommender, {"a": RidgeRecommender()}])
def test_only_estimators_and_catalogs_are_saved(path, value):
    with pytest.raises(TypeError, match="estimator must be an estimator or an ItemCatalog, got"):
        save(value, path)


# Files that `save` does not write


def json_node(text):
    return {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": text}


def tuple_node(*content):
    return {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": list(content)}


def made(module, name, *arguments):
    loader = "ConstructorFromReduceNode"
    return {"__class__": name, "__module__": module, "__loader__": loader, "content": tuple_node(*arguments)}


def looked_up(module, name, loader="FunctionNode"):
    return {"__class__": name, "__module__": module, "__loader__": loader}


HARMFUL = {
    "system": made("posix", "system", json_node('"touch PWNED"')),
    "rmtree of a module of scikit-learn": made("sklearn.datasets._base", "shutil", json_node('"PWNED"')),
    "a function of scikit-learn": made("sklearn.datasets._base", "clear_data_home", json_node('"PWNED"')),
    "a function of this package": made("skgnnrec._files", "replaced_file", json_node('"PWNED"')),
    "a class of this package": made("skgnnrec.text._embedder", "TextEmbedder", json_node('"PWNED"')),
    "a module of this package": looked_up("skgnnrec.persistence._container", "os"),
    "a function that is looked up": looked_up("sklearn.datasets._base", "clear_data_home"),
    "a type that is looked up": looked_up("subprocess", "Popen", "TypeNode"),
    "a memory map": made("numpy", "memmap", json_node('"PWNED"')),
    "a memory map as an array": {**looked_up("numpy", "memmap", "NdArrayNode"), "type": "json", "content": [],
                                 "shape": tuple_node(json_node("0"))},
    "a distribution": looked_up("scipy.stats._continuous_distns", "norm_gen", "ObjectNode"),
    "a path with an import": looked_up("sklearn.conftest", "pytest", "ObjectNode"),
    "a module that runs": looked_up("numpy.f2py.__main__", "main", "FunctionNode"),
    "an absent module": looked_up("skgnnrec.absent", "Type", "ObjectNode"),
    "a partial": {
        "__class__": "partial", "__module__": "functools", "__loader__": "PartialNode",
        "content": {
            "func": looked_up("posix", "system"), "args": tuple_node(json_node('"touch PWNED"')),
            "kwds": json_node("{}"), "namespace": json_node("null"),
        },
    },
    "a method": {
        "__class__": "RidgeRecommender", "__module__": "skgnnrec.recommenders._ridge", "__loader__": "MethodNode",
        "content": {"func": "fit", "obj": looked_up("skgnnrec.recommenders._ridge", "RidgeRecommender", "ObjectNode")},
    },
    "an operator": {
        "__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode",
        "attrs": tuple_node(json_node('"fit"')),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_types_are_refused(write_schema, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    schema = HARMFUL[name]
    refused = re.escape(f"{schema['__module__']}.{schema['__class__']}")
    with pytest.raises(LoadError, match=f"types that are not trusted: .*'{refused}"):
        load(write_schema(schema))
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.skgnnrec"]


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"__class__": "x"},
        looked_up("skgnnrec", "RidgeRecommender", "NoNode"),
        made("datetime", "date", json_node("[]")),
        made("skgnnrec.persistence._arrays", "StoredArray", json_node("99")),
        made("skgnnrec.persistence._arrays", "StoredArray", json_node('"../x"')),
        made("skgnnrec.persistence._arrays", "StoredMatrix", json_node('"eval"'), json_node("[1, 1]")),
        {"__loader__": "JsonNode", "__class__": "str", "__module__": "builtins", "content": "[" * 100_000},
    ],
)
def test_descriptions_that_fit_nothing_are_refused(write_schema, schema):
    with pytest.raises(LoadError, match=r"cannot be loaded: .* It was written with python .* here are python"):
        load(write_schema(schema))


def test_a_type_that_is_made_and_called_is_not_trusted(write_schema):
    kind = ("skgnnrec.recommenders._ridge", "RidgeRecommender")
    state = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {"a": made(*kind)}}
    state["key_types"] = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode",
                          "content": [looked_up("builtins", "str", "TypeNode")]}  # fmt: skip
    with pytest.raises(LoadError, match=r"not trusted: \['skgnnrec.recommenders._ridge.RidgeRecommender'\]"):
        load(write_schema({**looked_up(*kind, "ObjectNode"), "content": state}))


def test_code_of_models_needs_consent(path):
    rec = RidgeRecommender(item_encoder=make_pipeline(TextEmbedder("a/model", trust_remote_code=True)))
    save(rec, path)
    with pytest.raises(LoadError, match="contains a text embedder with trust_remote_code=True"):
        load(path)
    assert load(path, trusted=["trust_remote_code"]).item_encoder[0].trust_remote_code
