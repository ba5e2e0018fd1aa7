"""TabularGPT under differential privacy: taught by a noisy tree, then by private steps on the patients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from synthlib.models.backend import keras, tf
from synthlib.models.gpt import Learner, TabularGPT
from synthlib.models.private_fit import PrivateFit
from synthlib.models.private_training import PrivateStep
from synthlib.models.secrecy import SecretRandom
from synthlib.models.training import check_parameters


@dataclass
class PrivateTabularGPT(PrivateFit, TabularGPT):
    """A TabularGPT that is (epsilon, delta)-differentially private in each patient.

    1. Each column is counted on a grid that the Schema fixes, with noise: this gives its states.
    2. A tree of tables is counted with noise, and rows are drawn from it.
    3. The transformer is trained on those rows, for as long as is good: nothing private is in them.
    4. With what is left of the budget it is trained on the patients, by a fixed number of steps of DP-SGD.

    One row is one patient; neighbours differ by one patient added or removed; the number of patients counts
    as public, and so does the Schema. `seed` is public too: it decides initial weights, orders and the rows
    of the tree, which know of the patients by noisy counts alone. Noise and batches come from the operating
    system, and are in no file, unless `fit` is told to seal them for an auditor. There is no early stopping,
    no validation on patients, and no checkpoint; `history_` is of the tree's rows. Floats are no real
    numbers: noisy counts are rounded to whole ones, noisy gradients keep the bits of single precision.

    Args:
        epsilon: of the whole fit.
        delta: of the whole fit, below one over the number of patients; None takes 1e-5, or a
            tenth of one over that number if it is smaller.
        public_schema: that levels, ranges, precision and possible missingness in the Schema come from
            elsewhere than the private table. `fit` refuses to begin without.
        training_share: of the budget (as the inverse of squared noise), for step 4; 0 leaves it out.
        num_steps: of DP-SGD.
        expected_batch: patients in a step on average; None takes a sixth of them, 1024 at most.
        clip_norm: of a patient's gradient of their mean nats a column.
        private_learning_rate: of Adam, on noisy gradients.
        tree_rows: rows that are drawn from the tree.
        validation_fraction: 0 is all that can be.

    Attributes:
        spend_: the PrivacySpend of the last fit.
        tree_: the noisy tables of the last fit; None after loading.
        commitment_: keyed commitment to the secret randomness, if that was sealed.

    Reference: Abadi et al. 2016 (DP-SGD); McKenna, Miklau and Sheldon 2021 (noisy marginals).
    """

    num_steps: int = 60
    clip_norm: float = 0.03

    @property
    def num_private_steps(self) -> int:
        """Steps of DP-SGD, fixed beforehand."""
        return self.num_steps

    def _learn(self, states: np.ndarray, positions: np.ndarray, progress: bool) -> None:
        self.settings_ = self.settings(len(states), states.shape[1])
        learner = Learner(self, states, positions)
        self._train(pd.DataFrame(states), learner, None, None, (), progress)
        self.network_ = learner.averaged

    def _train_on_patients(self, states, positions, training, random: SecretRandom, progress: bool) -> None:
        train_privately(self, states, positions, training, random, progress)

    def _check_private(self) -> None:
        super()._check_private()
        check_parameters(self, {"num_steps": (1, None)})
        self._check_width(self.tree_rows)


def train_privately(
    gpt: PrivateTabularGPT, states, positions, training, random: SecretRandom, progress: bool = False
) -> None:
    """DP-SGD on the network that the tree has taught; its averaged weights take the network's place."""
    network, averaged = gpt.network_, gpt.build_network()
    step = make_step(gpt, network, states, positions, training, random)
    total = training.num_steps
    schedule = keras.optimizers.schedules.CosineDecay(gpt.private_learning_rate, total, 0.1)
    updater = keras.optimizers.Adam(schedule, beta_2=0.98)
    updater.build(step.variables)
    averaged.set_weights(network.get_weights())
    for number in tqdm(range(total), "private steps", unit="step", disable=not progress):
        step.begin(number)
        updater.apply([tf.constant(part) for part in step.run()], step.variables)
        kept = min(0.97, (1 + number) / (10 + number))
        for mean, variable in zip(averaged.trainable_variables, network.trainable_variables, strict=True):
            mean.assign(kept * mean + (1 - kept) * variable)
    gpt.network_ = averaged


class OrderedStep(PrivateStep):
    """A PrivateStep whose patients are all read in one order of columns, fixed by the step's number."""

    def begin(self, number: int) -> None:
        """Take the order of a step: by the public seed, whoever is in the batch."""
        uniform = np.random.default_rng((self.seed, number)).random(self.order.shape[0] + 2)
        ranks = np.argsort(np.argsort(uniform[:-2]))
        if uniform[-1] < self.subset_share:
            ranks = np.where(ranks < int(uniform[-2] * len(ranks)), ranks - len(ranks), np.arange(len(ranks)))
        else:
            ranks = np.arange(len(ranks))
        self.order.assign(np.argsort(ranks))


def make_step(gpt, network, states, positions, training, random) -> OrderedStep:
    """The private step of a network: of the heads of states alone.

    Noise grows with the number of parameters. What the blocks say of a row is learnt of the tree, for
    nothing; the heads, a tenth of the parameters, are what is set right on patients.
    """
    order = tf.Variable(np.arange(states.shape[1], dtype=np.int32), trainable=False)

    def loss(states, positions):
        return tf.reduce_mean(network.negative_log_likelihood(states[None], positions[None], order))

    variables = [network.heads.states, network.heads.state_bias]
    step = OrderedStep(loss, variables, [states, positions], gpt.clip_norm, training, random)
    step.order, step.seed, step.subset_share = order, gpt.seed, gpt.subset_share
    return step
