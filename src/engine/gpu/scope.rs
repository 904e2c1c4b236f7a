//! Error scopes: what the device raises during a call becomes the error of the call.

use futures::FutureExt;
use futures::future::join3;

use super::Gpu;
use crate::error::{Error, Result};

/// The error that the scopes of a call caught, once they answer.
pub(super) trait Answers: Future<Output = Option<wgpu::Error>> + 'static {}

impl<F: Future<Output = Option<wgpu::Error>> + 'static> Answers for F {}

impl Gpu {
    /// Runs `work` and turns any error the device raises meanwhile into an [`Error`]; fails, too, if the device is lost.
    ///
    /// On native platforms the scopes answer at once. In a browser they answer later, and the error is that of the next
    /// call that records, creates or reads something.
    pub(super) fn scoped<T>(&self, what: &str, work: impl FnOnce() -> T) -> Result<T> {
        self.scoped_or(what, |_, message| Error::Internal(message), work)
    }

    /// As [`Gpu::scoped`], with `explain` to make the error out of the device's message, unless memory ran out.
    pub(super) fn scoped_or<T>(
        &self,
        what: &str,
        explain: impl FnOnce(&Self, String) -> Error + 'static,
        work: impl FnOnce() -> T,
    ) -> Result<T> {
        let filters = [
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Validation,
        ];
        self.check_alive()?;
        let [internal, memory, validation] =
            filters.map(|filter| self.device().push_error_scope(filter));
        let result = work();
        let alive = self.is_alive();
        // Scopes end in the reverse of the order in which they began.
        let answers = join3(validation.pop(), memory.pop(), internal.pop());
        let answers =
            answers.map(|(validation, memory, internal)| memory.or(validation).or(internal));
        match self.answered(what, answers, explain) {
            Err(error @ Error::OutOfMemory { .. }) => Err(error),
            // What was made of it is invalid, and whatever takes that raises something.
            _ if !alive => Err(self.note_lost(format!("it makes nothing any more ({what})"))),
            outcome => outcome.map(|()| result),
        }
    }

    /// The error of a call during which the device raised one.
    pub(super) fn raised(
        &self,
        what: &str,
        error: wgpu::Error,
        explain: impl FnOnce(&Self, String) -> Error,
    ) -> Error {
        match error {
            wgpu::Error::OutOfMemory { source } => {
                Error::OutOfMemory { what: what.to_string(), message: source.to_string() }
            }
            error => explain(self, format!("{what}: {error}")),
        }
    }
}
