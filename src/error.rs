//! The one error type of the library.

use std::borrow::Cow;

/// What a fallible call of this library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, in words that name the op, the shapes or values, and the limit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes that do not fit together, or a shape that an op does not take.
    #[error("{op}: {message}")]
    Shape {
        /// The op or layer that refused.
        op: String,
        /// The shapes, and what was expected.
        message: String,
    },
    /// A parameter outside its range (NaN is outside every range), or one that the op does not have.
    #[error("{op}: {name} = {value} is not valid: {valid}")]
    Parameter {
        /// The op the parameter belongs to.
        op: String,
        /// The parameter's name.
        name: String,
        /// The value given.
        value: f64,
        /// The valid range, in words.
        valid: String,
    },
    /// A name that no registry entry has.
    #[error("there is no {kind} named '{name}'{}", suggestion(near))]
    UnknownName {
        /// What was looked up: activation, loss, optimizer, ...
        kind: &'static str,
        /// The name given.
        name: String,
        /// Known names close to it, nearest first.
        near: Vec<String>,
    },
    /// A target value that a loss cannot take, such as a class index out of range.
    #[error("{op}: {message}")]
    Target {
        /// The loss or metric that refused.
        op: String,
        /// How many, the first offender, and the valid range.
        message: String,
    },
    /// More than a device or a format can hold.
    #[error("{what} needs {needed} {unit}, over the limit of {limit}")]
    Limit {
        /// What was asked for.
        what: String,
        /// How much it needs.
        needed: u64,
        /// The limit it exceeds.
        limit: u64,
        /// What both count.
        unit: &'static str,
    },
    /// Nothing to compute on where something is needed: no rows, no layers, no epochs.
    #[error("{op}: {message}")]
    Empty {
        /// The op or call that refused.
        op: String,
        /// What is missing.
        message: String,
    },
    /// A combination that does not exist, such as the gradient of an op that has none.
    #[error("{op}: {message}")]
    Unsupported {
        /// The op or call that refused.
        op: String,
        /// What is not supported, and what is.
        message: String,
    },
    /// A formula of the caller's own, in WGSL, that is not valid.
    #[error("{op}: {message}")]
    Shader {
        /// The op the text belongs to.
        op: String,
        /// What is wrong, and the line of the text it is in.
        message: String,
    },
    /// No adapter fits the request.
    #[error("no GPU adapter: {0}")]
    NoAdapter(String),
    /// The device ran out of memory; it is still usable.
    #[error("the device has no memory left for {what}: {message}")]
    OutOfMemory {
        /// What was being created or run.
        what: String,
        /// The driver's words.
        message: String,
    },
    /// The device is gone. Resume from the last checkpoint on a new one.
    #[error("the GPU device was lost: {0}")]
    DeviceLost(String),
    /// The device did not answer in time.
    #[error("{what} did not finish within {seconds} s")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long it was waited for.
        seconds: f64,
    },
    /// A checkpoint that cannot be read or does not belong to this trainer.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// A data file that cannot be read as numbers.
    #[error("{origin}: {message}")]
    Data {
        /// The file, and for text the line and column.
        origin: String,
        /// What is wrong there.
        message: String,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file concerned.
        path: String,
        /// The operating system's words.
        source: std::io::Error,
    },
    /// A fault of this library that it noticed itself; please report it.
    #[error("internal error (please report it): {0}")]
    Internal(String),
}

/// Somebody else's text for a message: its beginning, if it is long.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    const MOST: usize = 80;
    let end = text.char_indices().nth(MOST).and_then(|(end, _)| text.get(..end));
    match end {
        None => Cow::Borrowed(text),
        Some(beginning) => Cow::Owned(format!("{beginning}… ({} bytes)", text.len())),
    }
}

fn suggestion(near: &[String]) -> String {
    match near {
        [] => String::new(),
        names => format!("; did you mean {}?", names.join(", ")),
    }
}

impl Error {
    pub(crate) fn shape(op: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Shape { op: op.into(), message: message.into() }
    }

    pub(crate) fn empty(op: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Empty { op: op.into(), message: message.into() }
    }

    pub(crate) fn unsupported(op: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unsupported { op: op.into(), message: message.into() }
    }

    /// An index beyond the last of `count` things.
    pub(crate) fn no_such(op: impl Into<String>, what: &str, index: usize, count: usize) -> Self {
        Self::unsupported(op, format!("there is no {what} {index}; the count is {count}"))
    }

    pub(crate) fn elsewhere(op: impl Into<String>, what: &str) -> Self {
        let message = format!("{what} lies on another device; read it there and put it here");
        Self::unsupported(op, message)
    }

    pub(crate) fn data(origin: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Data { origin: origin.into(), message: message.into() }
    }

    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}
