"""Activations that torch lacks, from JAX, optax and Keras (on JAX): x -> y and grad_out -> grad_in."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy
import optax
import torch

from common import Golden, f32

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")

SEED = 6

# Off the kinks of the piecewise ones: a tie in jax.numpy.clip has half the slope.
MAGNITUDES = [1e-4, 0.01, 0.1, 0.3, 0.5, 0.624, 0.8, 0.99, 1.01, 1.5, 2, 2.5, 3, 4, 5, 6, 8]

ELEMENTWISE = [
    ("squareplus", "squareplus", {}, jax.nn.squareplus),
    ("squareplus_1", "squareplus", {"b": 1}, lambda x: jax.nn.squareplus(x, 1.0)),
    ("sparse_plus", "sparse_plus", {}, jax.nn.sparse_plus),
    ("sparse_sigmoid", "sparse_sigmoid", {}, jax.nn.sparse_sigmoid),
    ("hard_swish", "hard_swish", {}, jax.nn.hard_swish),
    ("exponential", "exponential", {}, keras.activations.exponential),
    ("leaky_relu", "leaky_relu", {"alpha": 0.2}, keras.activations.leaky_relu),
    ("quick_gelu", "quick_gelu", {}, lambda x: x * keras.activations.sigmoid(1.702 * x)),
]

# Sparsemax is the projection onto the simplex. That of Keras is none: its rows do not sum to 1, for its threshold takes
# the sum of all cumulative sums in place of the last.
ROWWISE = [
    ("sparsemax", "sparsemax", {}, jax.vmap(optax.projections.projection_simplex)),
    ("sparsemax_dim_0", "sparsemax", {"dim": 0}, jax.vmap(optax.projections.projection_simplex, 1, 1)),
    ("softmax", "softmax", {}, keras.activations.softmax),
]


def through(function, x, grad_out):
    y, back = jax.vjp(function, jax.numpy.asarray(x.numpy()))
    (grad_in,) = back(jax.numpy.asarray(grad_out.numpy()))
    assert y.dtype == grad_in.dtype == numpy.float64
    return torch.from_numpy(numpy.array(y)), torch.from_numpy(numpy.array(grad_in))


def add(golden, group, x, cases):
    inputs = {
        "x": golden.input(f"{group}/x", x),
        "grad_out": golden.input(f"{group}/grad_out", golden.normal(*x.shape)),
    }
    for name, op, options, function in cases:
        y, grad_in = through(function, x, golden.tensors[inputs["grad_out"]])
        out = {
            "y": golden.tensor(f"{name}/y", y),
            "grad_in": golden.tensor(f"{name}/grad_in", grad_in),
        }
        golden.case(name, op, inputs | out, options)


def build():
    golden = Golden(SEED)
    add(golden, "elementwise", f32([*MAGNITUDES, *(-m for m in MAGNITUDES)]), ELEMENTWISE)
    add(golden, "rows", f32(golden.normal(6, 9) * 1.5), ROWWISE)
    return golden
