"""Keras and TensorFlow, imported without the lines that they write to stderr; take them from here."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# oneDNN's greeting ignores the log level: it is written straight to file descriptor 2 at the first operation.
_stderr = os.dup(2)
_nowhere = os.open(os.devnull, os.O_WRONLY)
try:
    os.dup2(_nowhere, 2)
    import keras
    import tensorflow as tf
    from keras import ops

    tf.constant(0.0)
finally:
    os.dup2(_stderr, 2)
    os.close(_stderr)
    os.close(_nowhere)

__all__ = ["keras", "ops", "tf"]
