//! The texts of kernels, by origin.

use std::ops::Deref;

/// A part of a kernel's WGSL. Its origin decides which run-time checks the kernel needs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text(Origin);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin {
    /// A file of `shaders/`.
    File(&'static str),
    /// A generator of the library.
    Generated(String),
    /// A user of the library.
    User(String),
}

impl Text {
    pub(crate) const fn file(text: &'static str) -> Self {
        Self(Origin::File(text))
    }

    pub(super) const fn generated(text: String) -> Self {
        Self(Origin::Generated(text))
    }

    /// A text that is not the library's.
    pub fn user(text: impl Into<String>) -> Self {
        Self(Origin::User(text.into()))
    }

    pub(super) const fn is_generated(&self) -> bool {
        matches!(self.0, Origin::Generated(_))
    }

    pub(super) const fn is_user(&self) -> bool {
        matches!(self.0, Origin::User(_))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Origin::File(text) => text,
            Origin::Generated(text) | Origin::User(text) => text,
        }
    }
}
