//! The error type of the library.

use std::borrow::Cow;
use std::fmt;

/// The result of a fallible call of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this library. Its message names the op, the shapes or values, and the limit. `Debug` is the message, too,
/// so that a `main` that returns an error ends with a sentence.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Shapes that do not fit together, or a shape that an op does not accept.
    #[error("{op}: {message}")]
    Shape {
        /// The op or layer that failed.
        op: String,
        /// The extents of the left and the right operand if two do not fit together, or the expected ones and the given.
        shapes: Option<Box<[Vec<usize>; 2]>>,
        /// The shapes, and the expected ones.
        message: String,
    },
    /// A parameter outside its range (NaN is outside every range), or one that the op does not have.
    #[error("{op}: {name} = {value} is not valid: {valid}")]
    Parameter {
        /// The op the parameter belongs to.
        op: String,
        /// The parameter's name.
        name: String,
        /// The value given, as text.
        value: String,
        /// The valid range, in words.
        valid: String,
    },
    /// A name that is not in the registry.
    #[error("there is no {kind} named '{name}'{}", suggestion(near))]
    UnknownName {
        /// The kind of name: activation, loss, optimizer, ...
        kind: &'static str,
        /// The name given.
        name: String,
        /// Known names close to it, nearest first.
        near: Vec<String>,
    },
    /// A target value that a loss does not accept, such as a class index out of range.
    #[error("{op}: {message}")]
    Target {
        /// The loss or metric that failed.
        op: String,
        /// The number of invalid targets, the first one, and the valid range.
        message: String,
    },
    /// A training step whose loss, or whose parameters afterwards, are not numbers (NaN).
    #[error("training step {step}: {op}: {message}")]
    NotANumber {
        /// The step, counted from 0 at the trainer's creation.
        step: u64,
        /// The first op that made a NaN, as the program prints it.
        op: String,
        /// The number of NaNs and the first of them.
        message: String,
    },
    /// A size beyond the limit of a device or a format.
    #[error("{what} needs {needed} {unit}, over the limit of {limit}")]
    Limit {
        /// The object or request that is too large.
        what: String,
        /// The required amount.
        needed: u64,
        /// The limit that it exceeds.
        limit: u64,
        /// The unit of both amounts.
        unit: &'static str,
    },
    /// Nothing to compute on where something is required: no rows, no layers, no epochs.
    #[error("{op}: {message}")]
    Empty {
        /// The op or call that failed.
        op: String,
        /// The missing input.
        message: String,
    },
    /// An unsupported combination, such as the gradient of an op that has none.
    #[error("{op}: {message}")]
    Unsupported {
        /// The op or call that failed.
        op: String,
        /// The unsupported request, and the supported ones.
        message: String,
    },
    /// A user-defined formula, in WGSL, that is not valid.
    #[error("{op}: {message}")]
    Shader {
        /// The op that the source belongs to.
        op: String,
        /// The error, and the line of the source it is in.
        message: String,
    },
    /// No adapter matches the request.
    #[error("no GPU adapter: {0}")]
    NoAdapter(String),
    /// The device ran out of memory; it remains usable.
    #[error("the device has no memory left for {what}: {message}")]
    OutOfMemory {
        /// The object that was being created or run.
        what: String,
        /// The driver's message.
        message: String,
    },
    /// The device is gone. Resume from the last checkpoint on a new one.
    #[error("the GPU device was lost: {0}")]
    DeviceLost(String),
    /// The device did not respond in time.
    #[error("{what} did not finish within {seconds} s")]
    Timeout {
        /// The operation that was waited for.
        what: String,
        /// The time waited, in seconds.
        seconds: f64,
    },
    /// A checkpoint that cannot be read or does not belong to this trainer.
    #[error("checkpoint: {0}")]
    Checkpoint(String),
    /// A data file that cannot be parsed as numbers.
    #[error("{origin}: {message}")]
    Data {
        /// The file, and for text the line and column.
        origin: String,
        /// The problem there.
        message: String,
    },
    /// A failed file operation.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A bug of this library that it detected itself; please report it.
    #[error("internal error (please report it): {0}")]
    Internal(String),
}

/// Truncates text of unknown length for a message.
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

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    pub(crate) fn shape(op: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Shape { op: op.into(), shapes: None, message: message.into() }
    }

    /// An error for two shapes that do not fit together.
    pub(crate) fn shapes(
        op: impl Into<String>,
        pair: [impl Into<Vec<usize>>; 2],
        message: impl Into<String>,
    ) -> Self {
        let shapes = Some(Box::new(pair.map(Into::into)));
        Self::Shape { op: op.into(), shapes, message: message.into() }
    }

    pub(crate) fn parameter(
        op: impl Into<String>,
        name: impl Into<String>,
        value: impl std::fmt::Display,
        valid: impl Into<String>,
    ) -> Self {
        let (op, name, valid) = (op.into(), name.into(), valid.into());
        Self::Parameter { op, name, value: value.to_string(), valid }
    }

    pub(crate) fn empty(op: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Empty { op: op.into(), message: message.into() }
    }

    pub(crate) fn unsupported(op: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unsupported { op: op.into(), message: message.into() }
    }

    /// An error for an index that is not below `count`, the number of items.
    pub(crate) fn no_such(op: impl Into<String>, what: &str, index: usize, count: usize) -> Self {
        Self::unsupported(op, format!("there is no {what} {index}; the count is {count}"))
    }

    pub(crate) fn other_device(op: impl Into<String>, what: &str) -> Self {
        let message = format!("{what} lies on another device; read it there and put it here");
        Self::unsupported(op, message)
    }

    pub(crate) fn data(origin: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Data { origin: origin.into(), message: message.into() }
    }

    pub(crate) fn timeout(what: &str, after: std::time::Duration) -> Self {
        Self::Timeout { what: what.to_string(), seconds: after.as_secs_f64() }
    }

    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.display().to_string(), source }
    }
}
