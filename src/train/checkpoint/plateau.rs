//! Conversion of a plateau's state to and from text.

use crate::spec::schedule::PlateauState;

/// Formats a plateau's state as text from which every number is read back exactly.
pub(crate) fn text_of(state: &PlateauState) -> String {
    let PlateauState { scale, best, waited, cooling } = state;
    format!("{scale} {best} {waited} {cooling}")
}

/// Parses the text of [`text_of`].
pub(crate) fn of_text(text: &str) -> Option<PlateauState> {
    let mut parts = text.split(' ');
    let state = PlateauState {
        scale: parts.next()?.parse().ok()?,
        best: parts.next()?.parse().ok()?,
        waited: parts.next()?.parse().ok()?,
        cooling: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(state)
}
