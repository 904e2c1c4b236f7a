"""The minimax polynomials of shaders/lib/math.wgsl (needs mpmath): prints each fit's coefficients, highest power first.

A fit minimises the largest |weight(x) * (p(x) - f(x))|, where the weight turns the error of p into the relative error
of the whole function. The errors printed are those of the coefficients after rounding to f32.
"""

import struct

from mpmath import mp, mpf, matrix, lu_solve, exp, expm1, log1p, tanh, erf, erfc, sin, cos, sqrt, pi

mp.dps = 40


def to_f32(value):
    return mpf(struct.unpack("f", struct.pack("f", float(value)))[0])


def remez(f, weight, degree, low, high):
    """The coefficients, lowest power first, by exchange of the alternating extrema."""
    count = degree + 2
    points = [(low + high) / 2 - (high - low) / 2 * cos(pi * i / (count - 1)) for i in range(count)]
    grid = [low + (high - low) * (1 - cos(pi * mpf(i) / 600)) / 2 for i in range(601)]
    target = [f(x) for x in grid]
    weights = [weight(x) for x in grid]
    for _ in range(12):
        system, right = matrix(count, count), matrix(count, 1)
        for row, x in enumerate(points):
            for power in range(degree + 1):
                system[row, power] = x**power
            system[row, count - 1] = (-1) ** row / weight(x)
            right[row] = f(x)
        solution = lu_solve(system, right)
        coefficients = [solution[i] for i in range(count - 1)]
        errors = [w * (mp.polyval(coefficients[::-1], x) - t) for x, t, w in zip(grid, target, weights)]
        extrema, run = [], 0
        for i in range(1, len(grid) + 1):
            if i == len(grid) or errors[i] * errors[run] < 0:
                extrema.append(max(range(run, i), key=lambda j: abs(errors[j])))
                run = i
        while len(extrema) > count:
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        if len(extrema) < count:
            break
        points = [grid[i] for i in extrema]
    return coefficients


def fit(name, f, weight, degree, low, high):
    low, high = mpf(low), mpf(high)
    done = [to_f32(c) for c in remez(f, weight, degree, low, high)]
    error = max(
        abs(weight(x) * (mp.polyval(done[::-1], x) - f(x)))
        for x in (low + (high - low) * mpf(i) / 2000 for i in range(2001))
    )
    print(f"{name}: degree {degree}, error 2^{float(mp.log(error, 2)):.1f}")
    print("   ", ", ".join(f"{float(c):.9g}" for c in reversed(done)))


TINY = mpf(10) ** -12  # keeps the fits off the removable singularity at 0


def erfcx(t):
    return exp(t * t) * erfc(t)


def main():
    shift = lambda f: (lambda x: f(x if abs(x) > TINY else TINY))
    # expm1(r) = r + r^2 p(r)
    fit("expm1", shift(lambda r: (expm1(r) - r) / r**2), shift(lambda r: abs(r**2 / expm1(r))), 4, "-0.3468", "0.3468")
    # log1p(f) = f - f^2/2 + f^3 p(f)
    fit("log1p", shift(lambda f: (log1p(f) - f + f**2 / 2) / f**3), shift(lambda f: abs(f**3 / log1p(f))), 8, "-0.2929", "0.4143")
    # tanh(x) = x + x z p(z), z = x^2
    fit("tanh", shift(lambda z: (tanh(sqrt(z)) / sqrt(z) - 1) / z), shift(lambda z: z * sqrt(z) / tanh(sqrt(z))), 4, 0, "0.390625")
    # erf(x) = x + x p(z)
    fit("erf", shift(lambda z: erf(sqrt(z)) / sqrt(z) - 1), shift(lambda z: sqrt(z) / erf(sqrt(z))), 5, 0, "0.5625")
    # sin(r) = r + r z p(z), cos(r) = 1 - z/2 + z^2 p(z)
    fit("sin", shift(lambda z: (sin(sqrt(z)) / sqrt(z) - 1) / z), shift(lambda z: z * sqrt(z) / sin(sqrt(z))), 2, 0, "0.6169")
    fit("cos", shift(lambda z: (cos(sqrt(z)) - 1 + z / 2) / z**2), shift(lambda z: z**2 / cos(sqrt(z))), 2, 0, "0.6169")
    # erfcx(t) = w p(1 - 2w), w = K / (t + K)
    k, end = mpf(3), mpf(11)
    w = lambda v: (1 - v) / 2
    t = lambda v: k / w(v) - k
    fit("erfcx", lambda v: erfcx(t(v)) / w(v), lambda v: w(v) / erfcx(t(v)), 9, -1, 1 - 2 * k / (end + k))


if __name__ == "__main__":
    main()
