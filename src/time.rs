//! The clock of the target: `std::time::Instant` panics in a browser.

#[cfg(not(target_family = "wasm"))]
pub(crate) use std::time::Instant;

#[cfg(target_family = "wasm")]
pub(crate) use web_time::Instant;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Lists the source lines in a folder, recursively, that do not compile or run in a browser.
    fn native_lines(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                found.append(&mut native_lines(&path));
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let is_native = |line: &&str| {
                line.contains("std::time") && line.contains("Instant")
                    || ["SystemTime", "std::thread"].iter().any(|name| line.contains(name))
            };
            found
                .extend(text.lines().filter(is_native).map(|l| format!("{}: {l}", path.display())));
        }
        found
    }

    #[test]
    fn nothing_else_takes_the_clock_of_std_or_starts_threads() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let own = ["time.rs", "threads.rs"].map(|file| root.join(file).display().to_string());
        let found = native_lines(&root);
        let is_own = |line: &&String| own.iter().any(|file| line.starts_with(file));
        let elsewhere: Vec<&String> = found.iter().filter(|line| !is_own(line)).collect();
        assert!(elsewhere.is_empty(), "use crate::time and crate::threads: {elsewhere:#?}");
        for file in own {
            assert!(found.iter().any(|line| line.starts_with(&file)), "{file} names nothing");
        }
    }
}
