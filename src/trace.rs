//! Spans of the crate `tracing` around what takes time; without the feature of that name there are none.

#[cfg(feature = "tracing")]
pub(crate) use tracing::Instrument;

/// A span of target `wgrad` and level debug, with a name and fields as in `tracing::debug_span`.
#[cfg(feature = "tracing")]
macro_rules! span {
    ($($tokens:tt)*) => { tracing::debug_span!(target: "wgrad", $($tokens)*) };
}

#[cfg(not(feature = "tracing"))]
macro_rules! span {
    ($name:literal $(, $field:ident = $value:expr)*) => {{
        $(let _ = &$value;)*
        crate::trace::NoSpan
    }};
}

pub(crate) use span;

#[cfg(not(feature = "tracing"))]
pub(crate) use silent::{Instrument, NoSpan};

#[cfg(not(feature = "tracing"))]
mod silent {
    /// The span of a build without tracing.
    pub(crate) struct NoSpan;

    impl NoSpan {
        pub(crate) fn entered(self) -> Self {
            self
        }
    }

    pub(crate) trait Instrument: Sized {
        fn instrument(self, _: NoSpan) -> Self {
            self
        }
    }

    impl<F: Future> Instrument for F {}
}
