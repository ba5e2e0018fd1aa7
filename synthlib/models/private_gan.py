"""TabularGAN under differential privacy: taught by a noisy tree, then by a critic of private steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from synthlib.models.accounting import PrivacyError, SampledTraining
from synthlib.models.backend import keras, ops, tf
from synthlib.models.drawing import Sampler
from synthlib.models.gan import Adversaries, TabularGAN
from synthlib.models.networks import Layout, build_critic, gradient_penalty
from synthlib.models.private_fit import PrivateFit
from synthlib.models.private_training import PrivateStep
from synthlib.models.secrecy import SecretRandom
from synthlib.models.training import check_parameters

POOL = 4096  # generated rows between two refills
REFILL_EVERY = 10  # private steps
PENALTY_LINES = 4  # generated rows that each patient's penalty looks towards, the same for all patients


@dataclass
class PrivateTabularGAN(PrivateFit, TabularGAN):
    """A TabularGAN that is (epsilon, delta)-differentially private in each patient.

    1. Each column is counted on a grid that the Schema fixes, with noise: this gives its states.
    2. A tree of tables is counted with noise, and rows are drawn from it.
    3. The generator learns the likelihood of those rows, for as long as is good: nothing private is in them.
    4. With what is left of the budget a critic is trained on the patients, by a fixed number of steps of
       DP-SGD, and rewards the generator's rows for what it takes for real. The generator sees patients
       through the critic alone.

    The critic pays nothing. On flchain (6,299 patients, seeds 0 and 1), with a tenth of the budget and a
    weight of .1, it cost the accuracy of 2-way tables .009 and .012 at epsilon 8 (.955 and .953 without) and
    .024 and .032 at epsilon 1 (.934 and .931 without); at a weight of .3 (seed 0), .024 and .076. The AUROC
    of a classifier that tells rows from patients fell by .010 and .001 at epsilon 8, fell by .008 and rose by
    .011 at epsilon 1; usefulness moved by .008 at most. With the budget set aside and a weight of 0 that
    AUROC fell as well (seed 0, epsilon 8: .860 without, .851 with the critic, .854 at weight 0): what was won
    came of further lessons on the tree's rows. So the critic weighs little by default; `training_share=0`
    leaves it out, and is the better choice where 2-way tables count.

    A patient's part of the critic's loss is minus the critic's value of the patient's row, and the gradient
    penalty on lines from it to a few generated rows. What generated rows add to the loss is of nobody, and
    gets neither clipping nor noise. There is no packing: a packed row would be several patients'.

    One row is one patient; neighbours differ by one patient added or removed; the number of patients counts
    as public, and so does the Schema. `seed` is public too: it decides initial weights, and all rows that are
    drawn, which know of the patients by noisy answers alone. Noise and batches come from the operating
    system, and are in no file, unless `fit` is told to seal them for an auditor. There is no early stopping,
    no validation on patients, and no checkpoint; `history_` is of the tree's rows. Floats are no real
    numbers: noisy counts are rounded to whole ones, noisy gradients keep the bits of single precision.

    Args:
        epsilon, delta, public_schema: see `PrivateTabularGPT`; likewise expected_batch and tree_rows.
        training_share: of the budget (as the inverse of squared noise), for step 4; 0 leaves it out.
        private_steps: critic updates by DP-SGD, each followed by a generator update.
        clip_norm: of a patient's gradient of the critic's loss.
        private_learning_rate: of the critic's Adam, on noisy gradients.
        judged_learning_rate: of the generator in step 4; it falls along a cosine.
        adversarial_weight: of the critic's judgement in step 4, beside the likelihood of the tree's rows.
        critic_dim: width of the critic's two hidden layers; noise grows with the number of its weights.
        num_steps: generator updates in step 3.
        adversarial_share: last share of step 3 in which a critic of the tree's rows joins.
        packing: 1 is all that can be.
        validation_fraction: 0 is all that can be.

    Attributes:
        spend_: the PrivacySpend of the last fit.
        tree_: the noisy tables of the last fit; None after loading.
        commitment_: keyed commitment to the secret randomness, if that was sealed.

    Reference: Abadi et al. 2016 (DP-SGD); Gulrajani et al. 2017, algorithm 1 (critic); Xie et al. 2018,
    "Differentially private generative adversarial network" (the generator by the private critic alone).
    """

    private_steps: int = 60
    clip_norm: float = 1.0
    private_learning_rate: float = 2e-3
    judged_learning_rate: float = 1e-3
    adversarial_weight: float = 0.03
    adversarial_share: float = 0.0
    critic_dim: int = 32
    packing: int = 1

    @property
    def num_private_steps(self) -> int:
        """Steps of DP-SGD, fixed beforehand."""
        return self.private_steps

    def _check_private(self) -> None:
        super()._check_private()
        check_parameters(self, {"private_steps": (1, None), "judged_learning_rate": (0, None)})
        if self.packing != 1:
            raise PrivacyError(
                f"expected packing 1, got {self.packing}: a packed row holds several patients, and clipping "
                "bounds what one of them changes only where each is judged alone"
            )

    def _learn(self, states: np.ndarray, positions: np.ndarray, progress: bool) -> None:
        num_steps = self.settings(len(states), states.shape[1])["num_steps"]
        self._lesson = Adversaries(self, Layout(self.encoder_), states, positions, num_steps)
        self._train(pd.DataFrame(states), self._lesson, None, None, (), progress)
        self._use(self._lesson.averaged)

    def _use(self, generator) -> None:
        self.generator_, self.sampler_ = generator, Sampler(generator)

    def _train_on_patients(self, states, positions, training, random: SecretRandom, progress: bool) -> None:
        trial = PrivateTrial(self, self._lesson, states, positions, training, random)
        for number in tqdm(range(training.num_steps), "private steps", unit="step", disable=not progress):
            trial.run(number)
        self._use(self._lesson.averaged)

    def _fit_with(self, random, train, public, progress):
        try:
            return super()._fit_with(random, train, public, progress)
        finally:
            self._lesson = None  # holds the tree's rows and the generator's optimizer


class CriticStep(PrivateStep):
    """A PrivateStep of the critic: what patients add to the gradient of its loss.

    The lines of the penalty end in generated rows, which change with the step's number and are the same for
    every patient, whoever else is in the table or in the batch.
    """

    def aim(self, rows, shares) -> None:
        """Take generated rows (PENALTY_LINES, row size) and places on the lines to them, (…, 1)."""
        self.rows.assign(rows)
        self.shares.assign(shares)


def make_critic_step(gan: PrivateTabularGAN, layout: Layout, critic, states, positions, training, random):
    """The private step of a critic on patients' encoded rows."""
    size = layout.num_columns * (layout.width + 2)
    rows = tf.Variable(tf.zeros((PENALTY_LINES, size)), trainable=False)
    shares = tf.Variable(tf.fill((PENALTY_LINES, 1), 0.5), trainable=False)

    def loss(states, positions):
        real = layout.flatten(ops.one_hot(states[None], layout.width), positions[None])
        penalty = gradient_penalty(critic, real, rows.value(), shares.value())
        return gan.gradient_penalty_weight * penalty - critic(real)[0, 0]

    variables = critic.trainable_variables
    step = CriticStep(loss, variables, [states, positions], gan.clip_norm, training, random)
    step.rows, step.shares = rows, shares
    return step


class PrivateTrial:
    """The critic's private steps and the generator's updates by its judgement.

    Patients are read by `step` alone; all else is drawn rows, noisy gradients and public seeds.
    """

    def __init__(
        self,
        gan: PrivateTabularGAN,
        lesson: Adversaries,
        states: np.ndarray,
        positions: np.ndarray,
        training: SampledTraining,
        random: SecretRandom,
    ):
        self.gan, self.lesson, self.layout = gan, lesson, lesson.layout
        self.generator = lesson.generator
        self.generator.set_weights(lesson.averaged.get_weights())
        self.critic = build_critic(self.layout, 1, gan.critic_dim)
        self.step = make_critic_step(gan, self.layout, self.critic, states, positions, training, random)
        rates = keras.optimizers.schedules.CosineDecay
        self.critic_optimizer = keras.optimizers.Adam(
            rates(gan.private_learning_rate, training.num_steps, 0.1), beta_1=0.5, beta_2=0.98
        )
        self.generator_optimizer = keras.optimizers.Adam(
            rates(gan.judged_learning_rate, training.num_steps, 0.02), beta_2=0.99
        )
        self.critic_optimizer.build(self.critic.trainable_variables)
        self.generator_optimizer.build(self.generator.trainable_variables)
        self._of_generated = tf.function(self._differentiate_generated, autograph=False)
        self._judge = tf.function(self._judge_generated, autograph=False)

    def run(self, number: int) -> None:
        """One update of the critic by patients and generated rows, and one of the generator by the critic."""
        rng = np.random.default_rng((self.gan.seed, 2, number))
        if number % REFILL_EVERY == 0:
            self._draw_pool(rng)
        chosen = rng.integers(POOL, size=self.lesson.size)
        self.step.aim(self.flat[chosen[:PENALTY_LINES]], rng.random((PENALTY_LINES, 1), dtype=np.float32))
        of_patients = self.step.run()
        judged = tf.constant(self.flat[chosen])
        of_generated = self._of_generated(judged)
        gradients = [one + other for one, other in zip(of_patients, of_generated, strict=True)]
        self.critic_optimizer.apply(gradients, self.critic.trainable_variables)
        rows = [tf.constant(array[chosen]) for array in (self.states, self.positions)]
        self._judge(tf.constant(number, tf.int64), judged, *rows)

    def _draw_pool(self, rng: np.random.Generator) -> None:
        """Rows of the generator as it is, and how the critic would see them, were they patients'."""
        encoder = self.gan.encoder_
        self.states, self.positions = Sampler(self.generator).draw(POOL, rng)
        seen = encoder.encode(encoder.decode(self.states, self.positions), None)
        self.flat = np.asarray(self.layout.flatten(ops.one_hot(seen[0], self.layout.width), seen[1]))

    def _differentiate_generated(self, rows):
        """Gradient of the critic's mean value of generated rows: of nobody, and so without noise."""
        with tf.GradientTape() as tape:
            value = ops.mean(self.critic(rows))
        return tape.gradient(value, self.critic.trainable_variables, unconnected_gradients="zero")

    def _judge_generated(self, number, seen, states, positions) -> None:
        """One generator update: the likelihood of the tree's rows, and the policy gradient of the critic."""
        lesson = self.lesson
        reward = self.critic(seen)[:, 0]
        reward = (reward - ops.mean(reward)) / (ops.std(reward) + 1e-6)
        number = number + lesson.num_steps
        with tf.GradientTape() as tape:
            learnt = lesson.surprise(number, *lesson.real_batch(number))
            likelihood = ops.sum(self.generator.log_likelihood(states, positions), axis=0)
            judged = -ops.mean(reward * likelihood)
            total = learnt + self.gan.adversarial_weight * judged
        variables = self.generator.trainable_variables
        self.generator_optimizer.apply(tape.gradient(total, variables), variables)
        count = tf.cast(self.generator_optimizer.iterations, tf.float32)
        kept = tf.minimum(float(self.gan.ema), (1 + count) / (10 + count))
        for mean, variable in zip(lesson.averaged.trainable_variables, variables, strict=True):
            mean.assign(kept * mean + (1 - kept) * variable)
