//! The text of a network, as checkpoints hold it.

use std::fmt;
use std::str::FromStr;

use super::{AdaptiveLogSoftmax, Dense, Embedding, Layer, Norm, Residual, Sequential};
use crate::error::{Error, Result, cut};
use crate::spec::Normalization;

/// Writes what the network computes outside training, without initializers, penalties and rates:
/// `Sequential(4): dense(16), relu, dense(3)`.
impl fmt::Display for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequential({}): {}", self.inputs, list(&self.layers))
    }
}

fn list(layers: &[Layer]) -> String {
    layers.iter().map(text).collect::<Vec<_>>().join(", ")
}

fn text(layer: &Layer) -> String {
    match layer {
        Layer::Dense(Dense { outputs, biases: None, .. }) => format!("dense({outputs}, no_bias)"),
        Layer::Activation(f) => f.eval_mode().to_string(),
        Layer::Norm(norm) => {
            let eps = format!("eps={}", norm.f.epsilon());
            let weight = (!norm.weight).then(|| "no_weight".to_string());
            let bias = (norm.f.is_centred() && !norm.bias).then(|| "no_bias".to_string());
            let settings: Vec<_> = std::iter::once(eps).chain(weight).chain(bias).collect();
            format!("{}({})", norm.f.name(), settings.join(", "))
        }
        Layer::Residual(residual) => {
            format!("residual({})", residual.layers().map(list).unwrap_or_default())
        }
        Layer::AdaptiveLogSoftmax(layer) => {
            let AdaptiveLogSoftmax { classes, cutoffs, div_value, head_bias } = layer;
            let cutoffs = cutoffs.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
            let bias = if *head_bias { ", head_bias" } else { "" };
            format!(
                "adaptive_log_softmax({classes}, cutoffs={cutoffs}, div_value={div_value}{bias})"
            )
        }
        Layer::Custom(layer) => format!("custom({})", layer.name),
        Layer::Dense(_) | Layer::Embedding(_) => layer.name(),
    }
}

/// Parses the output of `Display`: `Sequential(4): dense(16), relu, dense(3)`. Layers get their default initializers.
/// A layer of your own ([`Custom`](super::Custom)) has no text that it could be made from again.
impl FromStr for Sequential {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.strip_prefix("Sequential(").and_then(|rest| rest.split_once("): "));
        let (inputs, rest) =
            parts.ok_or_else(|| wrong(text, "it does not begin with Sequential"))?;
        Ok(Self { inputs: number(inputs)?, layers: layers(rest, 0)? })
    }
}

fn wrong(text: &str, message: impl fmt::Display) -> Error {
    Error::unsupported("network", format!("'{}': {message}", cut(text)))
}

fn number<T: FromStr>(text: &str) -> Result<T> {
    text.trim().parse().map_err(|_| wrong(text, "it is no number for this place"))
}

fn layers(text: &str, depth: usize) -> Result<Vec<Layer>> {
    if depth > Residual::MAX_DEPTH {
        return Err(wrong(text, "its blocks are nested too deeply"));
    }
    parts(text).into_iter().map(|part| layer(part, depth)).collect()
}

/// The parts between commas that are not inside brackets.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let part = text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    part.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn layer(text: &str, depth: usize) -> Result<Layer> {
    let inside =
        text.split_once('(').and_then(|(name, rest)| Some((name, rest.strip_suffix(')')?)));
    let (name, inside) = inside.unwrap_or((text, ""));
    if let "residual" = name {
        return Ok(Residual::new(layers(inside, depth + 1)?).into());
    }
    let settings = parts(inside);
    let has = |name: &str| settings.contains(&name);
    let value = |key: &str| {
        let pairs = settings.iter().filter_map(|part| part.split_once('='));
        let found = pairs.into_iter().find(|(name, _)| *name == key);
        found.map(|(_, value)| value).ok_or_else(|| wrong(text, format!("it has no {key}")))
    };
    let count = |place: usize| number(settings.get(place).copied().unwrap_or_default());
    match name {
        "dense" if has("no_bias") => Ok(Dense::new(count(0)?).no_bias().into()),
        "dense" => Ok(Dense::new(count(0)?).into()),
        "embedding" => Ok(Embedding::new(count(0)?, count(1)?).into()),
        "adaptive_log_softmax" => {
            let cutoffs =
                value("cutoffs")?.split(' ').map(number).collect::<Result<Vec<usize>>>()?;
            let layer = AdaptiveLogSoftmax::new(count(0)?, &cutoffs);
            let layer = layer.div_value(number(value("div_value")?)?);
            Ok(if has("head_bias") { layer.head_bias() } else { layer }.into())
        }
        "custom" => Err(wrong(
            text,
            "a layer of your own cannot be made from text; build the network and load the weights",
        )),
        _ => match normalization(name) {
            Some(f) => {
                let norm = Norm::new(f.eps(number(value("eps")?)?));
                Ok(Norm { weight: !has("no_weight"), bias: norm.bias && !has("no_bias"), ..norm }
                    .into())
            }
            None => text.parse().map(Layer::Activation),
        },
    }
}

fn normalization(name: &str) -> Option<Normalization> {
    let all = [Normalization::layer_norm(), Normalization::rms_norm(), Normalization::batch_norm()];
    all.into_iter().find(|f| f.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;

    #[test]
    fn a_network_is_read_back_from_its_text() {
        let inner = |branch: Sequential| branch.rms_norm().gated(8, Activation::swiglu()).dense(6);
        let model = Sequential::new(6)
            .layer(Dense::new(6).no_bias())
            .activation(Activation::leaky_relu().set("alpha", 0.3))
            .dropout(0.5)
            .residual(|branch| branch.layer_norm().residual(inner).dense(6))
            .layer(Norm::new(Normalization::batch_norm().eps(1e-3)).no_bias())
            .layer(Norm::new(Normalization::layer_norm()).no_affine())
            .maxout(4, 3)
            .activation(Activation::prelu())
            .layer(AdaptiveLogSoftmax::new(50, &[10, 20]).head_bias().div_value(2.0));
        let text = model.to_string();
        let read: Sequential = text.parse().unwrap();
        assert_eq!(read.to_string(), text);
        let [wanted, got] = [model, read].map(|model| model.build().unwrap());
        let named = |network: &crate::nn::Network| {
            let params = network.params().iter();
            params.map(|param| (param.name.clone(), param.shape.to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(named(&got), named(&wanted));
        let rows = |network: &crate::nn::Network| network.inference(3).unwrap().program.to_string();
        assert_eq!(rows(&got), rows(&wanted));
        let words = "Sequential(2): embedding(9, 4), dense(3)".parse::<Sequential>().unwrap();
        assert_eq!(words.build().unwrap().outputs(), 3);
    }

    #[test]
    fn every_activation_is_read_back() {
        for f in Activation::all() {
            let model = Sequential::new(8).activation(f);
            assert_eq!(
                model.to_string().parse::<Sequential>().unwrap().to_string(),
                model.to_string()
            );
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let deep = format!("Sequential(2): {}", "residual(".repeat(1000));
        for text in [
            "",
            "Sequential(2)",
            "Sequential(x): dense(3)",
            "Sequential(2): dense",
            "Sequential(2): dense(-1)",
            "Sequential(2): relux",
            "Sequential(2): layer_norm(eps=x)",
            "Sequential(2): layer_norm",
            &deep,
            "Sequential(2): adaptive_log_softmax(9)",
            "Sequential(2): custom(mine)",
        ] {
            let error = text.parse::<Sequential>().unwrap_err().to_string();
            assert!(error.len() < 400, "{error}");
        }
    }
}
