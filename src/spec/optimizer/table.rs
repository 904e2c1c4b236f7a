//! The table of optimizers. The first four parameters of each are `lr`, `weight_decay`, `decoupled`, `maximize`.

use super::{OptimizerKind, adam, adaptive, averaged, lbfgs, lines, momentum, muon, norms, santa};
use crate::spec::registry::{Alias, Choice, Entry, Kind, Param, Range, registry};

const fn lr(default: f64) -> Param {
    Param::new("lr", default, Range::NOT_NEGATIVE)
}

const fn decay(default: f64) -> Param {
    Param::new("weight_decay", default, Range::NOT_NEGATIVE)
}

const COUPLED: Param = Param::new("decoupled", 0.0, Range::FLAG);
const DECOUPLED: Param = Param::new("decoupled", 1.0, Range::FLAG);
const MAXIMIZE: Param = Param::new("maximize", 0.0, Range::FLAG);
const BETA1: Param = Param::new("beta1", 0.9, Range::BELOW_ONE);
const BETA2: Param = Param::new("beta2", 0.999, Range::BELOW_ONE);
const AMSGRAD: Param = Param::new("amsgrad", 0.0, Range::FLAG);

const fn eps(default: f64) -> Param {
    Param::new("eps", default, Range::NOT_NEGATIVE)
}

registry! { OptimizerKind, "optimizer";
    sgd {
        aliases: [
            Alias::with("momentum", &[("momentum", 0.9)]),
            Alias::with("nag", &[("momentum", 0.9), ("nesterov", 1.0)]),
            Alias::with("nesterov", &[("momentum", 0.9), ("nesterov", 1.0)]),
            Alias::with("msgd", &[("momentum", 0.9), ("dampening", 0.9), ("zero_init", 1.0)]),
        ],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("momentum", 0.0, Range::NOT_NEGATIVE),
            Param::new("dampening", 0.0, Range::FINITE),
            Param::new("nesterov", 0.0, Range::FLAG),
            Param::new("zero_init", 0.0, Range::FLAG),
        ],
        formula: "b = momentum b + (1 - dampening) g; p -= lr b, or lr (g + momentum b) with nesterov",
        source: "torch.optim.SGD: b starts as the first gradient, or as 0 with zero_init",
        kind: momentum::SGD,
    }
    adagrad {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("lr_decay", 0.0, Range::NOT_NEGATIVE),
            Param::new("initial_accumulator_value", 0.0, Range::NOT_NEGATIVE),
            eps(1e-10),
        ],
        formula: "s = s + g^2; p -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)",
        source: "torch.optim.Adagrad; Duchi et al. 2011",
        kind: adaptive::ADAGRAD,
    }
    rmsprop {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("alpha", 0.99, Range::BELOW_ONE),
            eps(1e-8),
            Param::new("momentum", 0.0, Range::NOT_NEGATIVE),
            Param::new("centered", 0.0, Range::FLAG),
        ],
        formula: "v = alpha v + (1 - alpha) g^2; p -= lr g / (sqrt(v) + eps); centered subtracts the squared mean from v",
        source: "torch.optim.RMSprop; Hinton's lecture 6e; centered: Graves 2013",
        kind: adaptive::RMSPROP,
    }
    adam {
        aliases: [Alias::with("amsgrad", &[("amsgrad", 1.0)])],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8), AMSGRAD],
        formula: "m = lerp(g, m, beta1); v = lerp(g^2, v, beta2); p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)",
        source: "torch.optim.Adam; Kingma and Ba 2015; amsgrad: Reddi et al. 2018",
        kind: adam::ADAM,
    }
    adamw {
        aliases: [],
        params: [lr(1e-3), decay(1e-2), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8), AMSGRAD],
        formula: "p -= lr weight_decay p, then as adam",
        source: "torch.optim.AdamW; Loshchilov and Hutter 2019",
        kind: adam::ADAM,
    }
    adadelta {
        aliases: [],
        params: [lr(1.0), decay(0.0), COUPLED, MAXIMIZE, Param::new("rho", 0.9, Range::BELOW_ONE), eps(1e-6)],
        formula: "v = lerp(g^2, v, rho); d = sqrt(u + eps) / sqrt(v + eps) g; u = lerp(d^2, u, rho); p -= lr d",
        source: "torch.optim.Adadelta; Zeiler 2012",
        kind: adaptive::ADADELTA,
    }
    adamax {
        aliases: [],
        params: [lr(2e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "m = lerp(g, m, beta1); u = max(beta2 u, |g| + eps); p -= lr / (1 - beta1^t) m / u",
        source: "torch.optim.Adamax; Kingma and Ba 2015",
        kind: adam::ADAMAX,
    }
    adamaxw {
        aliases: [],
        params: [lr(2e-3), decay(1e-4), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "p -= lr weight_decay p, then as adamax",
        source: "optax.adamaxw",
        kind: adam::ADAMAX,
    }
    nadam {
        aliases: [],
        params: [
            lr(2e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8),
            Param::new("momentum_decay", 4e-3, Range::NOT_NEGATIVE),
        ],
        formula: "as adam with m replaced by its look-ahead, the momentum at step t beta1 (1 - 0.96^(t momentum_decay) / 2)",
        source: "torch.optim.NAdam; Dozat 2016",
        kind: adam::NADAM,
    }
    nadamw {
        aliases: [],
        params: [lr(1e-3), decay(1e-4), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "p -= lr weight_decay p; as adam with beta1 m / (1 - beta1^(t+1)) + (1 - beta1) g / (1 - beta1^t) for m",
        source: "optax.nadamw",
        kind: adam::NADAMW,
    }
    radam {
        aliases: [],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "as adam, its step rectified by the variance of v, and without v while that is not tractable",
        source: "torch.optim.RAdam; Liu et al. 2020",
        kind: adam::RADAM,
    }
    rprop {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("eta_minus", 0.5, SHRINKING),
            Param::new("eta_plus", 1.2, GROWING),
            Param::new("step_min", 1e-6, Range::NOT_NEGATIVE),
            Param::new("step_max", 50.0, Range::POSITIVE),
        ],
        formula: "the step grows by eta_plus while g keeps its sign and shrinks by eta_minus when it turns; p -= sign(g) step",
        source: "torch.optim.Rprop; Riedmiller and Braun 1993; lr is the first step",
        kind: momentum::RPROP,
    }
    rmsprop_graves {
        aliases: [],
        params: [
            lr(1e-4), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("rho", 0.95, Range::BELOW_ONE),
            Param::new("momentum", 0.9, Range::NOT_NEGATIVE),
            eps(1e-4),
        ],
        formula: "n = lerp(g^2, n, rho); a = lerp(g, a, rho); d = momentum d + lr g / sqrt(n - a^2 + eps); p -= d",
        source: "Graves 2013, Generating sequences with recurrent neural networks, equations 38 to 41",
        kind: adaptive::RMSPROP_GRAVES,
    }
    smorms3 {
        aliases: [],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, eps(1e-16)],
        formula: "r = 1 / (memory + 1); a = lerp(a, g, r); n = lerp(n, g^2, r); x = a^2 / (n + eps); \
            p -= min(lr, x) g / (sqrt(n) + eps); memory = 1 + memory (1 - x)",
        source: "Funk 2015, RMSprop loses to SMORMS3",
        kind: adaptive::SMORMS3,
    }
    adabound {
        aliases: [Alias::with("amsbound", &[("amsgrad", 1.0)])],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-8),
            Param::new("final_lr", 0.1, Range::POSITIVE),
            Param::new("gamma", 1e-3, Range::POSITIVE),
            AMSGRAD,
        ],
        formula: "as adam, each step size clamped to final_lr (1 - 1 / (gamma t + 1)) .. final_lr (1 + 1 / (gamma t))",
        source: "Luo et al. 2019, Adaptive gradient methods with dynamic bound of learning rate; amsgrad gives amsbound",
        kind: adam::ADABOUND,
    }
    adabelief {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), DECOUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-16),
            Param::new("eps_root", 1e-16, Range::NOT_NEGATIVE),
        ],
        formula: "m = lerp(g, m, beta1); s = lerp((g - m)^2, s, beta2) + eps_root; \
            p -= lr m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + eps)",
        source: "optax.adabelief; Zhuang et al. 2020",
        kind: adam::ADABELIEF,
    }
    yogi {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2, eps(1e-3),
            Param::new("initial_accumulator_value", 1e-6, Range::NOT_NEGATIVE),
        ],
        formula: "m = lerp(g, m, beta1); v -= (1 - beta2) sign(v - g^2) g^2; \
            p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)",
        source: "optax.yogi; Zaheer et al. 2018",
        kind: adam::YOGI,
    }
    lion {
        aliases: [],
        params: [
            lr(1e-4), decay(1e-3), DECOUPLED, MAXIMIZE, BETA1, Param::new("beta2", 0.99, Range::BELOW_ONE),
        ],
        formula: "p -= lr (sign(lerp(g, m, beta1)) + weight_decay p); m = lerp(g, m, beta2)",
        source: "optax.lion; Chen et al. 2023",
        kind: momentum::LION,
    }
    signum {
        aliases: [],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, Param::new("beta", 0.9, Range::BELOW_ONE)],
        formula: "m = lerp(g, m, beta); p -= lr sign(m)",
        source: "optax.signum; Bernstein et al. 2018",
        kind: momentum::SIGNUM,
    }
    sign_sgd {
        aliases: [],
        params: [lr(1e-3), decay(0.0), COUPLED, MAXIMIZE],
        formula: "p -= lr sign(g)",
        source: "optax.sign_sgd; Bernstein et al. 2018",
        kind: momentum::SIGN_SGD,
    }
    adan {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), DECOUPLED, MAXIMIZE,
            Param::new("beta1", 0.98, Range::BELOW_ONE),
            Param::new("beta2", 0.92, Range::BELOW_ONE),
            Param::new("beta3", 0.99, Range::BELOW_ONE),
            eps(1e-8),
            Param::new("eps_root", 1e-8, Range::NOT_NEGATIVE),
            Param::new("paper", 0.0, Range::FLAG),
        ],
        formula: "d = g - g before; m = lerp(g, m, beta1); v = lerp(d, v, beta2); n = lerp((g + w d)^2, n, beta3); \
            p -= lr (m' + w v') / (sqrt(n' + eps_root) + eps), each ' over 1 - beta^t",
        source: "optax.adan, with w = 1 - beta2; Xie et al. 2022 and their code, with `paper`, have w = beta2",
        kind: adam::ADAN,
    }
    eve {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE, BETA1, BETA2,
            Param::new("beta3", 0.999, Range::BELOW_ONE),
            Param::new("c", 10.0, GROWING),
            Param::new("least_loss", 0.0, Range::FINITE),
            eps(1e-8),
        ],
        formula: "as adam with lr / d; d = lerp(clamp(|f - f before| / (min(f, f before) - least_loss), 1/c, c), d, beta3), \
            f the loss, d = 1 at first",
        source: "Hayashi, Koushik and Neubig, Eve, the third version (2018) of arXiv 1611.01505",
        kind: adam::EVE,
    }
    asgd {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("lambd", 1e-4, Range::NOT_NEGATIVE),
            Param::new("alpha", 0.75, Range::NOT_NEGATIVE),
            Param::new("t0", 1e6, Range::NOT_NEGATIVE),
        ],
        formula: "eta = lr / (1 + lambd lr (t - 1))^alpha; p = p (1 - lambd eta) - eta g; ax is the mean of p after step t0",
        source: "torch.optim.ASGD, whose rate under a schedule is that of the step before; Polyak and Juditsky 1992",
        kind: averaged::ASGD,
    }
    schedule_free_sgd {
        aliases: [],
        params: [
            lr(1.0), decay(0.0), MAXIMIZE,
            Param::new("beta1", 0.9, POSITIVE_BELOW_ONE),
            Param::new("weight_lr_power", 2.0, Range::NOT_NEGATIVE),
        ],
        formula: "z -= lr (g + weight_decay p); x = lerp(z, x, 1 - c), c = w / sum w, w = (largest lr)^weight_lr_power; \
            p = lerp(z, x, beta1)",
        source: "optax.contrib.schedule_free_sgd; Defazio et al. 2024",
        kind: averaged::SCHEDULE_FREE_SGD,
    }
    schedule_free_adamw {
        aliases: [],
        params: [
            lr(2.5e-3), decay(0.0), MAXIMIZE,
            Param::new("beta1", 0.9, POSITIVE_BELOW_ONE),
            Param::new("weight_lr_power", 2.0, Range::NOT_NEGATIVE),
            BETA2, eps(1e-8),
        ],
        formula: "as schedule_free_sgd with g / (sqrt(v / (1 - beta2^t)) + eps) for g, v = lerp(g^2, v, beta2)",
        source: "optax.contrib.schedule_free_adamw; Defazio et al. 2024",
        kind: averaged::SCHEDULE_FREE_ADAMW,
    }
    lamb {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), MAXIMIZE, BETA1, BETA2, eps(1e-6),
            Param::new("eps_root", 0.0, Range::NOT_NEGATIVE),
        ],
        formula: "u = adam's step + weight_decay p; p -= lr |p| / |u| u, norms over the tensor, 1 where one is 0",
        source: "optax.lamb; You et al. 2020",
        kind: norms::LAMB,
    }
    lars {
        aliases: [],
        params: [
            lr(0.1), decay(0.0), MAXIMIZE,
            Param::new("momentum", 0.9, Range::NOT_NEGATIVE),
            Param::new("nesterov", 0.0, Range::FLAG),
            Param::new("trust_coefficient", 1e-3, Range::POSITIVE),
            eps(0.0),
        ],
        formula: "u = g + weight_decay p; b = momentum b + lr trust_coefficient |p| / (|u| + eps) u; p -= b",
        source: "optax.lars; You et al. 2017",
        kind: norms::LARS,
    }
    novograd {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), MAXIMIZE, BETA1,
            Param::new("beta2", 0.25, Range::BELOW_ONE),
            eps(1e-6),
            Param::new("eps_root", 0.0, Range::NOT_NEGATIVE),
        ],
        formula: "v = lerp(|g|^2, v, beta2), at first |g|^2; m = beta1 m + g / (sqrt(v + eps_root) + eps) + weight_decay p; p -= lr m",
        source: "optax.novograd; Ginsburg et al. 2019; v, one number for the tensor, is kept beside each element",
        kind: norms::NOVOGRAD,
    }
    lbfgs {
        aliases: [],
        params: [
            lr(1.0), decay(0.0), MAXIMIZE,
            Param::new("history_size", 100.0, Range::whole(1.0, 200.0)),
            Param::new("tolerance_grad", 1e-7, Range::NOT_NEGATIVE),
            Param::new("tolerance_change", 1e-9, Range::NOT_NEGATIVE),
        ],
        formula: "p += lr d, at first min(1, 1 / sum |g|) lr d; d = -H g, H the inverse Hessian of the last pairs of steps s and \
            gradient changes y with s . y > 1e-10, around s . y / y . y",
        source: "torch.optim.LBFGS with max_iter=1 and no line search; Liu and Nocedal 1989; four dispatches; a network of one \
            arena segment, rates of tensors 0 or 1",
        kind: lbfgs::LBFGS,
    }
    muon {
        aliases: [],
        params: [
            lr(1e-3), decay(0.1), MAXIMIZE,
            Param::new("momentum", 0.95, Range::UNIT),
            Param::new("nesterov", 1.0, Range::FLAG),
            Param::new("adjust_lr", 0.0, Range::whole(0.0, 2.0)),
            Param::new("ns_steps", 5.0, Range::whole(1.0, 99.0)),
            eps(1e-7),
            Param::new("a", 3.4445, Range::POSITIVE),
            Param::new("b", -4.775, Range::FINITE),
            Param::new("c", 2.0315, Range::POSITIVE),
            BETA1, BETA2,
            Param::new("adam_eps", 1e-8, Range::NOT_NEGATIVE),
        ],
        formula: "matrices: m = lerp(g, m, momentum), u = m, or lerp(g, m, momentum) with nesterov; x = u / |u|, ns_steps times \
            x = a x + (b x x^T + c (x x^T)^2) x; p -= lr weight_decay p + lr f x; vectors: adamw",
        source: "torch.optim.Muon in float32, f by adjust_lr 0: sqrt(max(1, rows / cols)), 1: 0.2 sqrt(max(rows, cols)), \
            2: sqrt(rows / cols); adamw for the others as optax; Jordan 2024; 2 dispatches per segment and 3 + 6 ns_steps \
            or a few more per matrix",
        kind: muon::MUON,
    }
    sm3 {
        aliases: [],
        params: [
            lr(0.1), decay(0.0), COUPLED, MAXIMIZE, BETA1, Param::new("beta2", 1.0, UP_TO_ONE), eps(1e-8),
        ],
        formula: "s = beta2 min(row, col) + w g^2, w = 1 - beta2 or, at 1, 1; each row and column takes the largest s in it; \
            m = lerp(g / sqrt(s + eps), m, beta1), 0 where s is 0; p -= lr m",
        source: "optax.sm3 (its scale_by_sm3 has beta2 and eps); Anil et al. 2019; three dispatches per segment",
        kind: lines::SM3,
    }
    adafactor {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), DECOUPLED, MAXIMIZE,
            Param::new("beta2_decay", -0.8, NOT_POSITIVE),
            Param::new("eps1", 1.1920929e-7, Range::NOT_NEGATIVE),
            Param::new("eps2", 1e-3, Range::NOT_NEGATIVE),
            Param::new("d", 1.0, FROM_ONE),
        ],
        formula: "w = t^beta2_decay; rows and columns: r = lerp(r, mean g^2, w); v = r_row r_col / max(mean of rows, eps1), \
            in a vector v = lerp(v, g^2, w); u = g / sqrt(max(v, eps1^2)); \
            p -= min(lr, 1 / sqrt(t)) max(eps2, rms(p)) u / max(1, rms(u) / d)",
        source: "torch.optim.Adafactor, its eps1 the float32 epsilon; Shazeer and Stern 2018; five dispatches per segment",
        kind: lines::ADAFACTOR,
    }
    sparse_adam {
        aliases: [],
        params: [lr(1e-3), decay(0.0), MAXIMIZE, BETA1, BETA2, eps(1e-8)],
        formula: "as adam, eps beside sqrt(v) alone, in rows whose gradient is not all 0 (in a vector, elements); the others, \
            their m and v rest",
        source: "torch.optim.SparseAdam, a row being present in its sparse gradient if any element of it is not 0; weight_decay \
            shrinks present rows by lr weight_decay; three dispatches per segment",
        kind: lines::SPARSE_ADAM,
    }
    ftrl {
        aliases: [],
        params: [
            lr(1e-3), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("learning_rate_power", -0.5, NOT_POSITIVE),
            Param::new("initial_accumulator_value", 0.1, Range::NOT_NEGATIVE),
            Param::new("l1", 0.0, Range::NOT_NEGATIVE),
            Param::new("l2", 0.0, Range::NOT_NEGATIVE),
            Param::new("l2_shrinkage", 0.0, Range::NOT_NEGATIVE),
            Param::new("beta", 0.0, Range::NOT_NEGATIVE),
        ],
        formula: "n += g^2; z += g + 2 l2_shrinkage p - (n^-k - (n before)^-k) / lr p; \
            p = (clamp(z, -l1, l1) - z) / (n^-k / lr + 2 l2 + beta / lr), k = learning_rate_power",
        source: "keras.optimizers.Ftrl; McMahan et al. 2013",
        kind: adaptive::FTRL,
    }
    santa_e {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("sigma", 0.95, Range::BELOW_ONE),
            Param::new("lambda", 1e-8, Range::POSITIVE),
            Param::new("c", 5.0, Range::NOT_NEGATIVE),
            Param::new("burn_in", 100.0, Range::NOT_NEGATIVE),
            Param::new("gamma", 0.5, Range::NOT_NEGATIVE),
            Param::new("n", 16.0, Range::POSITIVE),
            Param::new("least", 1e-3, Range::POSITIVE),
        ],
        formula: "Euler's scheme: u = (1 - alpha) u - lr g' g + while t < burn_in, heat (1 - g'/g' now) / u + noise; p += g' u",
        source: "Chen et al. 2016, algorithm 1; g' = 1 / sqrt(lambda + sqrt(v)), heat = lr / t^gamma, n minibatches; \
            on gradients of about 1 the Euler steps diverge from rates of about 1e-3 on",
        kind: santa::SANTA_E,
    }
    santa_sss {
        aliases: [],
        params: [
            lr(1e-2), decay(0.0), COUPLED, MAXIMIZE,
            Param::new("sigma", 0.95, Range::BELOW_ONE),
            Param::new("lambda", 1e-8, Range::POSITIVE),
            Param::new("c", 5.0, Range::NOT_NEGATIVE),
            Param::new("burn_in", 100.0, Range::NOT_NEGATIVE),
            Param::new("gamma", 0.5, Range::NOT_NEGATIVE),
            Param::new("n", 16.0, Range::POSITIVE),
            Param::new("least", 1e-3, Range::POSITIVE),
        ],
        formula: "the symmetric splitting scheme: half a step of p, half a damping of u, the kick, and the halves again",
        source: "Chen et al. 2016, algorithm 2; parameters as santa_e",
        kind: santa::SANTA_SSS,
    }
}

const SHRINKING: Range = Range::new(std::ops::Bound::Excluded(0.0), std::ops::Bound::Excluded(1.0));
const GROWING: Range = Range::new(std::ops::Bound::Excluded(1.0), std::ops::Bound::Unbounded);
const POSITIVE_BELOW_ONE: Range = SHRINKING;
const UP_TO_ONE: Range = Range::new(std::ops::Bound::Excluded(0.0), std::ops::Bound::Included(1.0));
const FROM_ONE: Range = Range::new(std::ops::Bound::Included(1.0), std::ops::Bound::Unbounded);
const NOT_POSITIVE: Range = Range::new(std::ops::Bound::Unbounded, std::ops::Bound::Included(0.0));
