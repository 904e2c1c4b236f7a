//! The state of a plateau as text.

use crate::spec::schedule::PlateauState;

/// A plateau's state as text; every number is read back as it was.
pub fn text_of(state: &PlateauState) -> String {
    let PlateauState { scale, best, waited, cooling } = state;
    format!("{scale} {best} {waited} {cooling}")
}

/// The state that [`text_of`] wrote.
pub fn of_text(text: &str) -> Option<PlateauState> {
    let mut parts = text.split(' ');
    let state = PlateauState {
        scale: parts.next()?.parse().ok()?,
        best: parts.next()?.parse().ok()?,
        waited: parts.next()?.parse().ok()?,
        cooling: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(state)
}
