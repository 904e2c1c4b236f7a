//! The epochs of a run as text for other programs.

use super::history::{Epoch, Evaluation, History};

impl History {
    /// One line per epoch after a line with the names of the columns, in CSV. Those of validation data begin with
    /// `validation_`; the cells of epochs without a validation are empty.
    ///
    /// ```no_run
    /// # fn save(history: wgrad::History) -> std::io::Result<()> {
    /// std::fs::write("run.csv", history.to_csv())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn to_csv(&self) -> String {
        let rows: Vec<Vec<(String, f64)>> = self.epochs.iter().map(cells).collect();
        let longest = rows.iter().max_by_key(|cells| cells.len()).map_or(&[][..], Vec::as_slice);
        let names: Vec<&str> = longest.iter().map(|(name, _)| name.as_str()).collect();
        let cell = |cells: &[(String, f64)], wanted: &str| {
            let own = cells.iter().find(|(name, _)| name == wanted);
            own.map(|(_, value)| number(*value)).unwrap_or_default()
        };
        let line = |cells: &Vec<_>| names.iter().map(|name| cell(cells, name)).collect::<Vec<_>>();
        let lines = rows.iter().map(|cells| line(cells).join(",") + "\n");
        std::iter::once(names.join(",") + "\n").chain(lines).collect()
    }

    /// One line of JSON per epoch, with the names of [`History::to_csv`]. A value that is not finite is null.
    pub fn to_json_lines(&self) -> String {
        let value = |value: f64| if value.is_finite() { number(value) } else { "null".into() };
        let line = |epoch| {
            let cells = cells(epoch).into_iter();
            let fields = cells.map(|(name, cell)| format!("{name:?}:{}", value(cell)));
            format!("{{{}}}\n", fields.collect::<Vec<_>>().join(","))
        };
        self.epochs.iter().map(line).collect()
    }
}

/// The names and values of an epoch.
fn cells(epoch: &Epoch) -> Vec<(String, f64)> {
    let Epoch { loss, data_loss, penalty, rate, .. } = *epoch;
    let named = |name: &str, value| (name.to_string(), value);
    let mut cells = vec![named("epoch", epoch.epoch as f64)];
    cells.extend(figures("", [loss, data_loss, penalty], &epoch.metrics));
    cells.extend([named("learning_rate", rate), named("skipped", epoch.skipped as f64)]);
    if let Some(validation) = &epoch.validation {
        let Evaluation { data_loss, penalty, metrics } = validation;
        cells.extend(figures("validation_", [validation.loss(), *data_loss, *penalty], metrics));
    }
    cells
}

fn figures(
    before: &str,
    losses: [f64; 3],
    metrics: &[(String, f64)],
) -> impl Iterator<Item = (String, f64)> {
    let losses = ["loss", "data_loss", "penalty"].into_iter().zip(losses);
    let metrics = metrics.iter().map(|(name, value)| (name.as_str(), *value));
    losses.chain(metrics).map(move |(name, value)| (format!("{before}{name}"), value))
}

/// The shortest digits from which the number is read back exactly.
fn number(value: f64) -> String {
    match value.abs() {
        size if size.is_finite() && size != 0.0 && !(1e-4..1e15).contains(&size) => {
            format!("{value:e}")
        }
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(number: u64, validation: Option<Evaluation>) -> Epoch {
        Epoch {
            epoch: number,
            loss: 0.75,
            data_loss: f64::NAN,
            penalty: 0.0,
            accuracy: 0.5,
            metrics: vec![("r2".into(), 0.5), ("top_k(k=2)".into(), 1.25e-7)],
            rate: 1e-5,
            skipped: 2,
            validation,
        }
    }

    fn history() -> History {
        let metrics = vec![("r2".into(), -1.0)];
        let validation = Evaluation { data_loss: 2.0, penalty: 0.5, metrics };
        let epochs = vec![epoch(0, None), epoch(1, Some(validation))];
        History { epochs, stopped_early: false }
    }

    #[test]
    fn a_history_is_a_table_of_its_epochs() {
        let text = "epoch,loss,data_loss,penalty,r2,top_k(k=2),learning_rate,skipped,validation_loss,\
                    validation_data_loss,validation_penalty,validation_r2\n\
                    0,0.75,NaN,0,0.5,1.25e-7,1e-5,2,,,,\n\
                    1,0.75,NaN,0,0.5,1.25e-7,1e-5,2,2.5,2,0.5,-1\n";
        assert_eq!(history().to_csv(), text);
        assert_eq!(History::default().to_csv(), "\n");
    }

    #[test]
    fn a_history_is_a_line_of_json_per_epoch() {
        let first = "{\"epoch\":0,\"loss\":0.75,\"data_loss\":null,\"penalty\":0,\"r2\":0.5,\
                     \"top_k(k=2)\":1.25e-7,\"learning_rate\":1e-5,\"skipped\":2}";
        let text = history().to_json_lines();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (2, first));
        assert!(lines[1].ends_with("\"validation_penalty\":0.5,\"validation_r2\":-1}"), "{text}");
    }
}
