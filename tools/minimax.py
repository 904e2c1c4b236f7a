"""The minimax polynomials of shaders/lib/math.wgsl (needs mpmath): prints each fit's coefficients, highest power first.

A fit minimises the largest |weight(x) * (p(x) - f(x))|, where the weight turns the error of p into the relative error
of the whole function. A quotient of polynomials is interpolated instead: rounding its coefficients costs more than what
that is off the best one, 2^-27.3 to 2^-27.6. The errors printed are those of the coefficients after rounding to f32.
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


def quotient_error(p, q, grid, target):
    return [mp.polyval(p[::-1], x) / mp.polyval(q[::-1], x) / t - 1 for x, t in zip(grid, target)]


def quotient(f, top, bottom, grid):
    """p and q, lowest power first, q[0] = 1, of the quotient that is f at evenly chosen places of the grid."""
    count = top + bottom + 1
    system, right = matrix(count, count), matrix(count, 1)
    for row in range(count):
        x = grid[(len(grid) - 1) * (2 * row + 1) // (2 * count)]
        right[row] = f(x)
        for power in range(top + 1):
            system[row, power] = x**power
        for power in range(1, bottom + 1):
            system[row, top + power] = -right[row] * x**power
    solution = list(lu_solve(system, right))
    return solution[: top + 1], [mpf(1)] + solution[top + 1 :]


def neighbour(value, steps):
    """The f32 so many steps away."""
    return mpf(struct.unpack("f", struct.pack("i", struct.unpack("i", struct.pack("f", float(value)))[0] + steps))[0])


def fit_quotient(name, f, top, bottom, grid):
    p, q = quotient(f, top, bottom, grid)
    # Scaled to a leading 1 in q; then each coefficient moves to an f32 beside it as long as the error shrinks.
    done = [to_f32(c / q[-1]) for c in p + q[:-1]]
    coarse = grid[::4]
    target = [f(x) for x in coarse]
    error = lambda c: max(map(abs, quotient_error(c[: top + 1], c[top + 1 :] + [mpf(1)], coarse, target)))
    best, better = error(done), True
    while better:
        better = False
        for i in range(len(done)):
            for steps in (-2, -1, 1, 2):
                moved = done[:i] + [neighbour(done[i], steps)] + done[i + 1 :]
                if error(moved) < best:
                    done, best, better = moved, error(moved), True
    final = max(map(abs, quotient_error(done[: top + 1], done[top + 1 :] + [mpf(1)], grid, [f(x) for x in grid])))
    print(f"{name}: degrees {top} and {bottom}, error 2^{float(mp.log(final, 2)):.1f}")
    print("   ", ", ".join(f"{float(c):.9g}" for c in reversed(done[: top + 1])))
    print("    1,", ", ".join(f"{float(c):.9g}" for c in reversed(done[top + 1 :])))


TINY = mpf(10) ** -12  # keeps the fits off the removable singularity at 0


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
    # exp(a^2/2) (1 - Phi(a)) = p(a) / q(a), on Chebyshev's places in (a - k) / (a + k)
    k, end = mpf(3), mpf("13.25")
    top = (end - k) / (end + k)
    places = ((top - 1) / 2 - (top + 1) / 2 * cos(pi * mpf(i) / 600) for i in range(601))
    grid = [k * (1 + w) / (1 - w) for w in places]
    fit_quotient("normal tail", lambda a: exp(a * a / 2) * erfc(a / sqrt(mpf(2))) / 2, 4, 5, grid)


if __name__ == "__main__":
    main()
