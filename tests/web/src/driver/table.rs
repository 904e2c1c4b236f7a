//! The table of checks.

use std::fmt;

use super::browser::Session;
use super::reference::Reference;

/// A check, what came of it, and how long it took in the browser.
struct Row {
    name: String,
    outcome: Result<String, String>,
    seconds: f64,
}

/// All checks.
pub(crate) struct Table {
    rows: Vec<Row>,
    stopped: Option<String>,
}

impl Table {
    pub(crate) fn new(session: &Session, reference: &Reference) -> Self {
        let rows = session.checks.iter().map(|check| {
            let outcome = match check.found["error"].as_str() {
                Some(error) => Err(error.to_string()),
                // A number of errors is no message.
                None => {
                    let sent = session.checkpoint.as_deref();
                    let compared = reference.compare(&check.name, &check.found, sent);
                    compared.map_err(|error| error.to_string())
                }
            };
            Row { name: check.name.clone(), outcome, seconds: check.seconds }
        });
        Self { rows: rows.collect(), stopped: session.stopped.clone() }
    }

    fn failed(&self) -> usize {
        self.rows.iter().filter(|row| row.outcome.is_err()).count()
    }

    /// Returns whether checks ran to the end and none failed.
    pub(crate) fn passed(&self) -> bool {
        self.stopped.is_none() && !self.rows.is_empty() && self.failed() == 0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Row { name, outcome, seconds } in &self.rows {
            let (verdict, text) = match outcome {
                Ok(text) => ("passed", text),
                Err(text) => ("FAILED", text),
            };
            writeln!(f, "{name:<18} {verdict}  {seconds:>6.1} s  {text}")?;
        }
        if let Some(reason) = &self.stopped {
            writeln!(f, "not run: the checks after these, since {reason}")?;
        }
        let failed = self.failed() + usize::from(self.stopped.is_some());
        writeln!(f, "{} passed, {failed} failed", self.rows.len() - self.failed())
    }
}
