"""What happens between the epochs of a training: validation, early stopping, checkpoints, progress."""

from __future__ import annotations

import hmac
import io
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from tqdm import tqdm

from synthlib.bundle import canonical_json, write_atomically
from synthlib.keys import fingerprint
from synthlib.models.backend import keras, tf


class CheckpointError(ValueError):
    """A checkpoint that belongs to another training, or cannot be read."""


def check_parameters(model, ranges: Mapping[str, tuple[float, float | None]]) -> None:
    """Refuse a dataclass's parameters that are out of range, or no whole numbers where they are to be.

    Args:
        model: the dataclass; a parameter of type `int` must be whole, one that may be None is free to be.
        ranges: name → lowest and highest value, None for no highest.

    Raises:
        ValueError: on the first such parameter.
    """
    types = {one.name: str(one.type) for one in fields(model)}
    for name, (low, high) in ranges.items():
        value, is_whole = getattr(model, name), types[name].startswith("int")
        if value is None and "None" in types[name]:
            continue
        kinds = int | np.integer if is_whole else int | float | np.integer | np.floating
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= (high or np.inf):
            limit = f"of at least {low}" if high is None else f"in [{low}, {high}]"
            raise ValueError(f"expected {name} {limit}{' and whole' if is_whole else ''}, got {value!r}")


def prefer_given(model, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by name: a model's own, and defaults where its own are None."""
    given = {name: getattr(model, name) for name in defaults}
    return {name: defaults[name] if value is None else value for name, value in given.items()}


def check_rows(table: pd.DataFrame) -> None:
    """Refuse a table without rows: there is nothing to learn."""
    if not len(table):
        raise ValueError("expected a training table of at least one row, got none")


def choose_rows(num_rows: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which rows are set aside for validation, bool (num_rows,); none where fewer than 20 would be."""
    chosen = np.zeros(num_rows, dtype=bool)
    if int(share * num_rows) >= 20:
        chosen[rng.choice(num_rows, int(share * num_rows), replace=False)] = True
    return chosen


class Validation(keras.callbacks.Callback):
    """Scores the model after each epoch, keeps the best weights and stops when nothing improves.

    Args:
        score: function of no arguments to a number, lower is better; None trains to the end.
        weights: variables that are kept when the score improves, and set to the best at the end.
        patience: epochs without improvement after which training stops.

    Attributes:
        history: one dict an epoch: the epoch's logs and `"validation"`.
        best: the best weights as arrays, None before the first epoch.
    """

    def __init__(self, score: Callable[[], float] | None, weights: list, patience: int):
        super().__init__()
        self.score, self.weights, self.patience = score, weights, patience
        self.history: list[dict[str, float]] = []
        self.best: list[np.ndarray] | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        entry = {"epoch": epoch + 1, **{name: float(value) for name, value in (logs or {}).items()}}
        if not all(np.isfinite(list(entry.values()))):
            raise FloatingPointError(
                f"expected finite losses, got {entry} in epoch {epoch + 1}; lower the learning rate"
            )
        entry["validation"] = float(self.score()) if self.score else float("nan")
        self.history.append(entry)
        scores = [past["validation"] for past in self.history]
        best = int(np.argmin(scores)) if self.score else epoch
        if best == epoch:
            self.best = [keras.ops.convert_to_numpy(weight) for weight in self.weights]
        elif epoch - best >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        for weight, best in zip(self.weights, self.best or [], strict=bool(self.best)):
            weight.assign(best)


class Checkpoint(keras.callbacks.Callback):
    """Writes everything that training changes to one file after each epoch, so that a killed run resumes.

    A resumed run ends in the same bytes as one that was never interrupted. The file holds weights that
    were trained on confidential data: keep it where that data may be kept.

    Args:
        path: of the file.
        variables: all variables that training changes, in a fixed order.
        validation: its history and best weights are part of the state.
        settings: what the training was started with; a checkpoint with other settings is refused.
        table: the training table; a checkpoint of another one is refused. The file tells them apart by an
            HMAC under a key of its own.
    """

    def __init__(
        self,
        path: Path | str,
        variables: list,
        validation: Validation,
        settings: Mapping[str, Any],
        table: pd.DataFrame,
    ):
        super().__init__()
        self.path, self.variables, self.validation = Path(path), variables, validation
        self.table, self.key = table, secrets.token_bytes(32)
        self.settings = json.loads(canonical_json(dict(settings)))

    def restore(self) -> int:
        """Set all variables as they were and return the number of finished epochs; 0 without a file.

        Raises:
            CheckpointError: if the file cannot be read, or was written under other settings or by another
                generator.
        """
        if not self.path.exists():
            return 0
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            state = json.loads(arrays["state"].item())
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise CheckpointError(
                f"{self.path.name} cannot be read ({error}); remove it to start anew"
            ) from None
        if state["settings"].keys() != self.settings.keys():
            raise CheckpointError(
                f"{self.path.name} belongs to the training of another generator, or of another version of "
                "this one; remove it to start anew, or go on with that one"
            )
        if state["settings"] != self.settings:
            changed = [name for name in self.settings if self.settings[name] != state["settings"].get(name)]
            raise CheckpointError(
                f"{self.path.name} belongs to a training with other settings ({', '.join(changed)}); "
                "remove it to start anew, or restore the settings"
            )
        self.key = bytes.fromhex(state["key"])
        if not hmac.compare_digest(state["table"], fingerprint(self.table, self.key)):
            raise CheckpointError(
                f"{self.path.name} belongs to a training on another table; remove it to start anew"
            )
        for place, variable in enumerate(self.variables):
            variable.assign(arrays[f"variable_{place}"])
        self.validation.history = state["history"]
        self.validation.best = [arrays[f"best_{place}"] for place in range(state["num_best"])] or None
        return len(state["history"])

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        best = self.validation.best or []
        state = {
            "settings": self.settings,
            "history": _jsonable(self.validation.history),
            "num_best": len(best),
            "key": self.key.hex(),
            "table": fingerprint(self.table, self.key),
        }
        arrays = {
            f"variable_{place}": keras.ops.convert_to_numpy(variable)
            for place, variable in enumerate(self.variables)
        }
        arrays |= {f"best_{place}": array for place, array in enumerate(best)}
        buffer = io.BytesIO()
        np.savez(buffer, state=np.array(json.dumps(state)), **arrays)
        write_atomically(self.path, buffer.getvalue(), mode=0o600)


class Progress(keras.callbacks.Callback):
    """A progress bar over steps, with the epoch's logs beside it."""

    def __init__(self, num_steps: int, steps_per_epoch: int, label: str, validation: Validation):
        super().__init__()
        self.num_steps, self.steps_per_epoch = num_steps, steps_per_epoch
        self.label, self.validation = label, validation

    def on_train_begin(self, logs: Mapping[str, float] | None = None) -> None:
        done = len(self.validation.history) * self.steps_per_epoch
        self.bar = tqdm(total=self.num_steps, initial=done, desc=self.label, unit="step")

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        latest = self.validation.history[-1]
        self.bar.set_postfix({name: f"{value:.3g}" for name, value in latest.items() if name != "epoch"})
        self.bar.update(min(self.steps_per_epoch, self.num_steps - self.bar.n))

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self.bar.close()


def run_training(
    learner,
    table: pd.DataFrame,
    settings: Mapping[str, Any],
    validation: Validation,
    num_steps: int,
    steps_per_epoch: int,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint: Path | str | None = None,
    label: str | None = None,
) -> pd.DataFrame:
    """Take a learner through its numbered steps, from a checkpoint on if there is one, and remove that.

    Args:
        learner: a keras.Model whose `train_step` takes a step's number, and whose `all_variables()` are all
            that training changes.
        table, settings: what a checkpoint belongs to.
        validation: after each epoch, of `steps_per_epoch` steps.
        num_steps: at least; the last epoch is a whole one.
        callbacks: further ones, after the validation.
        checkpoint: file for the state after each epoch; None for none.
        label: of the progress bar; None shows none.

    Returns:
        A row an epoch: its last step, its losses and the validation's score.

    Raises:
        CheckpointError: if the checkpoint belongs to another training.
    """
    chain, done, num_epochs = [validation, *callbacks], 0, -(-num_steps // steps_per_epoch)
    if checkpoint is not None:
        keeper = Checkpoint(checkpoint, learner.all_variables(), validation, settings, table)
        done = keeper.restore()
        chain.append(keeper)
    if label:
        chain.append(Progress(num_steps, steps_per_epoch, label, validation))
    learner.compile(steps_per_execution=steps_per_epoch)
    learner.fit(
        tf.data.Dataset.range(done * steps_per_epoch, num_epochs * steps_per_epoch),
        initial_epoch=done,
        epochs=num_epochs,
        steps_per_epoch=steps_per_epoch,
        verbose=0,
        shuffle=False,
        callbacks=chain,
    )
    if checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)
    return to_history(validation.history, steps_per_epoch)


def to_history(entries: list[dict[str, float]], steps_per_epoch: int) -> pd.DataFrame:
    """The epochs' logs as a DataFrame with a column `step`, for `figures.training_curves`."""
    history = pd.DataFrame(entries)
    history.insert(0, "step", history.pop("epoch").astype(int) * steps_per_epoch)
    return history


def _jsonable(entries: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in entry.items()} for entry in entries]
