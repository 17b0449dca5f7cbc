"""The progress of a training: best epoch, stalling, and parameters that are put in place."""

import pytest
import torch
from numpy.testing import assert_array_equal

from skgnnrec.training import Progress
from skgnnrec.training._progress import set_parameters


def test_the_best_epoch_has_the_highest_score():
    progress, parameter = Progress(), torch.zeros(2)
    for score in (0.1, 0.4, 0.4, 0.2):
        parameter += 1
        progress.record(1.0, score, [parameter])
    assert progress.scores == [0.1, 0.4, 0.4, 0.2]
    assert_array_equal(progress.best[0], [2, 2])


def test_without_scores_there_is_no_best_epoch():
    progress = Progress()
    progress.record(2.0, None, [torch.zeros(1)])
    assert (progress.losses, progress.scores, progress.best) == ([2.0], [], None)


@pytest.mark.parametrize(
    ("losses", "scores", "expected"),
    [
        ([], [], False),
        ([3.0], [], False),
        ([3.0, 2.0, 1.0], [], False),
        ([3.0, 3.0, 3.0], [], True),
        ([3.0, 2.95, 2.9], [], True),
        ([3.0, 2.0, 1.0], [0.5, 0.5, 0.4], True),
        ([3.0, 3.0, 3.0], [0.1, 0.3, 0.5], False),
        ([3.0, 3.0, 3.0], [0.1, 0.5, 0.55], False),
    ],
)
def test_stalling_is_two_epochs_without_an_improvement(losses, scores, expected):
    assert Progress(losses, scores).has_stalled(0.1, 2) is expected


def test_parameters_are_replaced_by_values_of_the_same_shape():
    parameter = torch.zeros(2, 3, requires_grad=True)
    set_parameters([parameter], [torch.ones(2, 3)])
    assert_array_equal(parameter.detach(), torch.ones(2, 3))
    for values in ([torch.tensor(5.0)], [torch.ones(3)], [], [torch.ones(2, 3)] * 2):
        with pytest.raises(ValueError, match=r"The parameters have the shapes \[\(2, 3\)\], their values"):
            set_parameters([parameter], values)
    assert_array_equal(parameter.detach(), torch.ones(2, 3))
