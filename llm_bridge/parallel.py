"""Several processes that train one model together, as `accelerate launch` starts them.

Every process holds the whole model, the whole batch of rollouts, and all that a rule remembers.
Only work on single rows is shared out: sampling, grading, and passes through the model. The parts
are joined before anything is averaged, so baselines, means, multipliers and gradient norms are
those of one process, and an update is the same to rounding whatever the number of processes.

`Alone` is the only process there is: it does nothing, and needs no further package.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from banditlab.files import WriteRefusedError

# What stops all processes where it stops one, with what makes it anew on the others.
_SHARED_ERRORS: dict[type[Exception], Callable[[Any], tuple[Any, ...]]] = {
    FloatingPointError: lambda error: (str(error),),
    ValueError: lambda error: (str(error),),
    WriteRefusedError: lambda error: (error.errno, error.strerror, error.filename),
}


class Alone:
    """A process without others: its share is everything, and nothing is sent.

    Attributes:
        count: processes that train together.
        index: number of this one, from 0.
    """

    count = 1
    index = 0

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.index == 0

    def share(self, num_rows: int) -> range:
        """Rows that this process works on.

        Args:
            num_rows: rows in all.

        Returns:
            A part of them in one piece; the parts of all processes differ by one row at most.
        """
        bounds = [num_rows * place // self.count for place in (self.index, self.index + 1)]
        return range(*bounds)

    def own_rows(self, num_rows: int, rows: Tensor | None = None) -> Tensor | None:
        """Of chosen rows, those that this process works on.

        Args:
            num_rows: rows that there are.
            rows: indices of the chosen ones; None for all.

        Returns:
            Indices, or None for all that there are.
        """
        return rows

    def joined(self, values: Tensor) -> Tensor:
        """Values of all rows, of which each process has its share.

        Args:
            values: shape [rows, ...]; only the rows of `share` are read.

        Returns:
            The values of all rows, of the same shape, the same on all processes.
        """
        return values

    def gather(self, value: Any) -> list[Any]:
        """What every process has to say.

        Args:
            value: anything that pickle can write.

        Returns:
            The values of all processes, in their order.
        """
        return [value]

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Put the sum over all processes into `.grad`.

        Args:
            parameters: in the same order on all processes.
        """

    def together(self) -> Any:
        """A `with` block of own work, without exchange, whose errors stop all processes.

        Returns:
            The context. Where the work of one process raises a ValueError, FloatingPointError or
            WriteRefusedError, all raise it at the end of the block; others would wait for this one
            for ever.
        """
        return nullcontext()

    def on_main(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Call a function on the main process alone.

        Args:
            function: what is called; the errors that `together` tells of reach all processes.
            *arguments: its arguments.
            **options: its arguments by name.

        Returns:
            Its result, on all processes; anything that pickle can write.
        """
        with self.together():
            result = function(*arguments, **options) if self.is_main else None
        return self.gather(result)[0]

    def require_same(self, value: Any, what: str) -> None:
        """Demand that all processes agree, without which their next sum would be of no use.

        Args:
            value: a number or a string.
            what: what it is, for the error.

        Raises:
            RuntimeError: the processes differ.
        """
        values = self.gather(value)
        if any(other != values[0] for other in values):
            raise RuntimeError(
                f"train: all processes must hold the same {what}, got {values}. Let all machines "
                "see the same files and have the same versions installed."
            )


ALONE = Alone()


class Launched(Alone):
    """One of several processes that a launcher started; accelerate carries what they exchange.

    Args:
        device: type of the device that the model is on.
    """

    def __init__(self, device: str) -> None:
        from accelerate import PartialState

        self._state = PartialState(cpu=device == "cpu")
        self.count, self.index = self._state.num_processes, self._state.process_index

    def _sum(self, values: Tensor) -> Tensor:
        from accelerate.utils import reduce

        # What is sent must lie on the device of this process, whose network it is.
        return reduce(values.contiguous().to(self._state.device), "sum").to(values.device)

    def own_rows(self, num_rows: int, rows: Tensor | None = None) -> Tensor:
        """As in `Alone`; neighbours stay together, since a group shares the pass of its prompt."""
        rows = torch.arange(num_rows) if rows is None else rows.sort().values
        own = self.share(len(rows))
        return rows[own.start : own.stop]

    def joined(self, values: Tensor) -> Tensor:
        """As in `Alone`; each row is a sum in which all summands but one are 0, and so exact."""
        own = self.share(len(values))
        part = torch.zeros_like(values)
        part[own.start : own.stop] = values[own.start : own.stop]
        return self._sum(part)

    def gather(self, value: Any) -> list[Any]:
        """As in `Alone`."""
        from accelerate.utils import gather_object

        return gather_object([value])

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """As in `Alone`; a parameter without gradient on all processes stays without."""
        parameters = [value for value in parameters if value.requires_grad]
        has_gradient = torch.tensor([value.grad is not None for value in parameters]).int()
        for value, is_met in zip(parameters, self._sum(has_gradient).tolist(), strict=True):
            if is_met:
                own = torch.zeros_like(value) if value.grad is None else value.grad
                value.grad = self._sum(own)

    @contextmanager
    def together(self) -> Iterator[None]:
        """As in `Alone`. An error of another kind ends this process, and the launcher the rest."""
        failure = None
        try:
            yield
        except tuple(_SHARED_ERRORS) as error:
            failure = error
        for told in self.gather(None if failure is None else _told(failure)):
            if told is not None:
                kind, arguments = told
                raise kind(*arguments) from failure


def _told(failure: Exception) -> tuple[type[Exception], tuple[Any, ...]]:
    """An error of one process as the others can make it, of a kind that they know."""
    kind = next(kind for kind in _SHARED_ERRORS if isinstance(failure, kind))
    return kind, _SHARED_ERRORS[kind](failure)


class SharedGrader:
    """A grader whose work is shared out over the processes.

    Args:
        grader: this process's own.
        processes: those that share the work.

    Attributes:
        num_timeouts: comparisons that took too long, on all processes.
    """

    def __init__(self, grader: Any, processes: Alone) -> None:
        self._grader, self._processes = grader, processes
        self.num_timeouts = 0

    def grade(self, texts: Sequence[str], golds: Sequence[Any]) -> np.ndarray:
        """Grade each text once, on one of the processes.

        Args:
            texts: responses, the same on all processes.
            golds: what each is compared with.

        Returns:
            Rewards, shape [n], the same on all processes.
        """
        own = self._processes.share(len(texts))
        part = slice(own.start, own.stop)
        reward, before = np.zeros(len(texts)), self._grader.num_timeouts
        with self._processes.together():
            if own:
                reward[part] = self._grader.grade(texts[part], golds[part])
        self.num_timeouts += sum(self._processes.gather(self._grader.num_timeouts - before))
        return self._processes.joined(torch.from_numpy(reward)).numpy()


def checksum(model: Any) -> float:
    """A number that two models share only if their weights do, but for chance.

    Args:
        model: the model.

    Returns:
        Sum of all weights, each tensor times its number.
    """
    total = torch.zeros((), dtype=torch.float64)
    for place, value in enumerate(model.parameters(), start=1):
        total += place * value.detach().double().sum().cpu()
    return float(total)
