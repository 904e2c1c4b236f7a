//! The table of losses.

use std::ops::Bound::{Excluded, Included, Unbounded};

use super::{LossKind, classes, elementwise, vectors};
use crate::spec::registry::{Alias, Choice, Entry, Kind, Param, Range, registry};

registry! { LossKind, "loss";
    mse {
        aliases: [Alias::of("mean_squared_error"), Alias::of("l2")],
        params: [],
        formula: "(y - t)^2",
        source: "torch.nn.MSELoss",
        kind: elementwise::mse(),
    }
    squared_error {
        aliases: [Alias::of("half_squared_error"), Alias::of("square")],
        params: [],
        formula: "(y - t)^2 / 2",
        source: "optax.losses.l2_loss; gradient y - t",
        kind: elementwise::squared_error(),
    }
    l1 {
        aliases: [Alias::of("mae"), Alias::of("mean_absolute_error")],
        params: [],
        formula: "|y - t|",
        source: "torch.nn.L1Loss; gradient 0 at equality",
        kind: elementwise::l1(),
    }
    smooth_l1 {
        aliases: [],
        params: [Param::new("beta", 1.0, Range::NOT_NEGATIVE)],
        formula: "(y - t)^2 / (2 beta) if |y - t| < beta else |y - t| - beta / 2",
        source: "torch.nn.SmoothL1Loss; beta 0 is l1",
        kind: elementwise::smooth_l1(),
    }
    huber {
        aliases: [],
        params: [Param::new("delta", 1.0, Range::POSITIVE)],
        formula: "(y - t)^2 / 2 if |y - t| <= delta else delta (|y - t| - delta / 2)",
        source: "torch.nn.HuberLoss",
        kind: elementwise::huber(),
    }
    log_cosh {
        aliases: [],
        params: [],
        formula: "log(cosh(y - t))",
        source: "optax.losses.log_cosh; gradient tanh(y - t)",
        kind: elementwise::log_cosh(),
    }
    quantile {
        aliases: [Alias::of("pinball")],
        params: [Param::new("tau", 0.5, Range::UNIT)],
        formula: "tau (t - y) if t > y else (1 - tau) (y - t)",
        source: "Koenker and Bassett 1978, Regression quantiles; gradient 0 at equality",
        kind: elementwise::quantile(),
    }
    mape {
        aliases: [Alias::of("mean_absolute_percentage_error")],
        params: [],
        formula: "100 |t - y| / max(|t|, 1e-7)",
        source: "keras.losses.MeanAbsolutePercentageError; gradient 0 at equality",
        kind: elementwise::mape(),
    }
    msle {
        aliases: [Alias::of("mean_squared_logarithmic_error")],
        params: [],
        formula: "(log(1 + y) - log(1 + t))^2, both at least -1 + 1e-7",
        source: "keras.losses.MeanSquaredLogarithmicError, which clips at 0; gradient 0 where the clip holds",
        kind: elementwise::msle(),
    }
    bce {
        aliases: [Alias::of("binary_cross_entropy"), Alias::of("binary"), Alias::of("log_loss")],
        params: [Param::new("eps", 0.0, BELOW_HALF)],
        formula: "-(t * max(log y, -100) + (1 - t) * max(log(1 - y), -100)), y clipped to eps .. 1 - eps",
        source: "torch.nn.BCELoss; gradient (y - t) / max(y (1 - y), 1e-12), finite at 0 and 1; eps: Keras's epsilon, gradient 0 where it clips",
        kind: elementwise::bce(),
    }
    bce_with_logits {
        aliases: [Alias::of("sigmoid_cross_entropy")],
        params: [Param::new("pos_weight", 1.0, Range::POSITIVE)],
        formula: "(1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x))",
        source: "torch.nn.BCEWithLogitsLoss; a class weight multiplies pos_weight per column",
        kind: elementwise::bce_with_logits(),
    }
    focal {
        aliases: [Alias::of("sigmoid_focal")],
        params: [
            Param::new("alpha", 0.25, Range::new(Included(-1.0), Included(1.0))),
            Param::new("gamma", 2.0, Range::NOT_NEGATIVE),
        ],
        formula: "(alpha t + (1 - alpha) (1 - t)) q^gamma bce_with_logits(x, t), q = t + (1 - 2 t) sigmoid(x)",
        source: "torchvision.ops.sigmoid_focal_loss; Lin et al. 2017; alpha below 0 leaves its factor out",
        kind: elementwise::focal(),
    }
    poisson_nll {
        aliases: [],
        params: [
            Param::new("log_input", 1.0, Range::FLAG),
            Param::new("full", 0.0, Range::FLAG),
            Param::new("eps", 1e-8, Range::POSITIVE),
        ],
        formula: "exp(x) - t x, or x - t log(x + eps) without log_input; full adds t log t - t + log(2 pi t) / 2 where t > 1",
        source: "torch.nn.PoissonNLLLoss",
        kind: elementwise::poisson_nll(),
    }
    gaussian_nll {
        aliases: [],
        params: [Param::new("full", 0.0, Range::FLAG), Param::new("eps", 1e-6, Range::POSITIVE)],
        formula: "(log v + (x - t)^2 / v) / 2, v = max(variance, eps); full adds log(2 pi) / 2",
        source: "torch.nn.GaussianNLLLoss: the gradient by the variance passes through the clamp",
        kind: elementwise::gaussian_nll(),
    }
    kl_div {
        aliases: [Alias::of("relative_entropy")],
        params: [Param::new("log_target", 0.0, Range::FLAG)],
        formula: "t (log t - x), 0 log 0 = 0; exp(t) (t - x) with log_target",
        source: "torch.nn.KLDivLoss; x are log-probabilities",
        kind: elementwise::kl_div(),
    }
    hinge {
        aliases: [],
        params: [],
        formula: "max(0, 1 - t y), t = 1 or -1",
        source: "keras.losses.Hinge; gradient 0 at t y = 1",
        kind: elementwise::hinge(),
    }
    squared_hinge {
        aliases: [],
        params: [],
        formula: "max(0, 1 - t y)^2, t = 1 or -1",
        source: "keras.losses.SquaredHinge",
        kind: elementwise::squared_hinge(),
    }
    categorical_hinge {
        aliases: [],
        params: [],
        formula: "max(0, 1 + max_j (1 - t_j) y_j - sum_j t_j y_j) per row",
        source: "keras.losses.CategoricalHinge; equal largest scores share the gradient, which is 0 at the kink",
        kind: classes::categorical_hinge(),
    }
    exponential_loss {
        aliases: [],
        params: [],
        formula: "exp(-t y), t = 1 or -1",
        source: "Freund and Schapire 1997, AdaBoost",
        kind: elementwise::exponential_loss(),
    }
    hinge_embedding {
        aliases: [],
        params: [Param::new("margin", 1.0, Range::FINITE)],
        formula: "x if t = 1, max(0, margin - x) if t = -1",
        source: "torch.nn.HingeEmbeddingLoss; gradient 0 at x = margin",
        kind: elementwise::hinge_embedding(),
    }
    soft_margin {
        aliases: [],
        params: [],
        formula: "log(1 + exp(-t y)), t = 1 or -1",
        source: "torch.nn.SoftMarginLoss",
        kind: elementwise::soft_margin(),
    }
    cross_entropy {
        aliases: [Alias::of("softmax_cross_entropy"), Alias::of("cross")],
        params: [Param::new("label_smoothing", 0.0, Range::BELOW_ONE), Param::new("ignore_index", -1.0, INDEX)],
        formula: "-sum_j w_j t_j log softmax(x)_j per row of logits",
        source: "torch.nn.CrossEntropyLoss; gradient softmax(x) sum(w t) - w t; ignore_index -1 ignores nothing",
        kind: classes::cross_entropy(),
    }
    categorical_cross_entropy {
        aliases: [Alias::of("cce")],
        params: [Param::new("clip", 1e-7, CLIP)],
        formula: "-sum_j w_j t_j log(clamp(y_j, clip, 1 - clip)) per row of probabilities",
        source: "Keras CategoricalCrossentropy without renormalisation; gradient 0 where the clamp holds",
        kind: classes::categorical_cross_entropy(),
    }
    nll {
        aliases: [Alias::of("negative_log_likelihood")],
        params: [Param::new("ignore_index", -1.0, INDEX)],
        formula: "-w_c x_c per row of log-probabilities, c the target's class",
        source: "torch.nn.NLLLoss; ignore_index -1 ignores nothing",
        kind: classes::nll(),
    }
    multi_margin {
        aliases: [],
        params: [
            Param::new("p", 1.0, Range::whole(1.0, 2.0)),
            Param::new("margin", 1.0, Range::FINITE),
        ],
        formula: "w_c / C sum_(j not c) max(0, margin - x_c + x_j)^p per row, c the target's class",
        source: "torch.nn.MultiMarginLoss; gradient 0 at the kink",
        kind: classes::multi_margin(),
    }
    multilabel_margin {
        aliases: [],
        params: [],
        formula: "1 / C sum_(c in t, j not in t) max(0, 1 - x_c + x_j) per row",
        source: "torch.nn.MultiLabelMarginLoss; gradient 0 at the kink; a list of classes ends with u32::MAX",
        kind: classes::multilabel_margin(),
    }
    multilabel_soft_margin {
        aliases: [],
        params: [],
        formula: "1 / C sum_j w_j (t_j log(1 + exp(-x_j)) + (1 - t_j) log(1 + exp(x_j))) per row",
        source: "torch.nn.MultiLabelSoftMarginLoss",
        kind: classes::multilabel_soft_margin(),
    }
    dice {
        aliases: [],
        params: [Param::new("smoothing", 1.0, Range::POSITIVE)],
        formula: "1 - (2 sum(y t) + smoothing) / (sum(y) + sum(t) + smoothing) per sample",
        source: "Milletari et al. 2016, V-Net, with sums in place of squares",
        kind: classes::dice(),
    }
    cosine_similarity_loss {
        aliases: [Alias::of("cosine_distance")],
        params: [Param::new("eps", 1e-8, Range::POSITIVE)],
        formula: "1 - y t / (max(|y|, eps) max(|t|, eps)) per row",
        source: "torch.nn.CosineSimilarity",
        kind: vectors::cosine_similarity_loss(),
    }
    margin_ranking {
        aliases: [],
        params: [Param::new("margin", 0.0, Range::FINITE)],
        formula: "max(0, margin - t (a - b)), t = 1 or -1",
        source: "torch.nn.MarginRankingLoss; gradient 0 at the kink",
        kind: elementwise::margin_ranking(),
    }
    cosine_embedding {
        aliases: [],
        params: [Param::new("margin", 0.0, Range::new(Included(-1.0), Included(1.0)))],
        formula: "1 - cos(a, b) if t = 1, max(0, cos(a, b) - margin) if t = -1, per row",
        source: "torch.nn.CosineEmbeddingLoss: 1e-12 added to both squared norms",
        kind: vectors::cosine_embedding(),
    }
    triplet_margin {
        aliases: [Alias::of("triplet_margin_with_distance")],
        params: [
            Param::new("margin", 1.0, Range::POSITIVE),
            Param::new("p", 2.0, Range::new(Included(1.0), Unbounded)),
            Param::new("eps", 1e-6, Range::NOT_NEGATIVE),
            Param::new("swap", 0.0, Range::FLAG),
        ],
        formula: "max(0, |a - p + eps|_p - |a - n + eps|_p + margin) per row; swap takes |p - n + eps|_p if that is less",
        source: "torch.nn.TripletMarginLoss; p = 1 and 2 are the l1 and l2 distance; gradient 0 at distance 0 and at the kink",
        kind: vectors::triplet_margin(),
    }
    triplet_margin_cosine {
        aliases: [],
        params: [
            Param::new("margin", 1.0, Range::POSITIVE),
            Param::new("eps", 1e-8, Range::POSITIVE),
            Param::new("swap", 0.0, Range::FLAG),
        ],
        formula: "max(0, cos(a, n) - cos(a, p) + margin) per row; swap takes cos(p, n) if that is more",
        source: "torch.nn.TripletMarginWithDistanceLoss with the distance 1 - cosine_similarity",
        kind: vectors::triplet_margin_cosine(),
    }
    ctc {
        aliases: [Alias::of("connectionist_temporal_classification")],
        params: [Param::new("blank", 0.0, CLASS), Param::new("zero_infinity", 0.0, Range::FLAG)],
        formula: "-log of the summed probability of every path that gives the target, per sequence; the mean divides each by its target's length",
        source: "torch.nn.CTCLoss; Graves et al. 2006; the gradient is the derivative by the log-probabilities, 0 where the loss is infinite",
        kind: LossKind::Ctc { shader: include_str!("../../../shaders/loss/ctc.wgsl") },
    }
}

/// Class 0 or a later one that `f32` holds exactly.
const CLASS: Range = Range::whole(0.0, 16_777_216.0);
const BELOW_HALF: Range = Range::new(Included(0.0), Excluded(0.5));
const CLIP: Range = Range::new(Excluded(0.0), Excluded(0.5));
/// A number that `f32` holds exactly, a class or not, or -1 for none.
const INDEX: Range = Range::whole(-16_777_216.0, 16_777_216.0);
