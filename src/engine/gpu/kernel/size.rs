//! The size of a kernel for a compiler: what it keeps in registers and how much it loads in a row.

use std::collections::HashMap;

use super::names::tokens;
use super::{Access, Kernel};

/// The quantities that a kernel's compile time follows, counted in its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KernelSize {
    /// Bytes of WGSL.
    pub bytes: usize,
    /// The maximum number of declared variables at one place, in values of 32 bits.
    pub registers: usize,
    /// The maximum number of accesses to storage and workgroup memory between loops, calls included.
    pub accesses: usize,
}

impl Kernel {
    /// Counts what compile time follows. On CPU adapters it grows faster than linearly with registers and accesses.
    pub fn size(&self) -> KernelSize {
        let source = self.source();
        let memory = self.memory_names(&source);
        let functions = functions(&source);
        let mut accesses = HashMap::new();
        // Functions may be declared after their callers: as many passes as calls are deep.
        for _ in 0..4 {
            for (name, body) in &functions {
                accesses.insert(*name, longest(body, &memory, &accesses));
            }
        }
        let registers = functions.iter().map(|(_, body)| registers(body)).max().unwrap_or(0);
        let accesses = accesses.into_values().max().unwrap_or(0);
        KernelSize { bytes: source.len(), registers, accesses }
    }

    fn memory_names<'a>(&'a self, source: &'a str) -> Vec<&'a str> {
        let shared = source.lines().filter_map(|line| line.strip_prefix("var<workgroup> "));
        let shared = shared.filter_map(|rest| tokens(rest).next());
        let storage = self.bound().filter(|binding| binding.access != Access::Uniform);
        storage.map(|binding| binding.name).chain(shared).collect()
    }
}

/// The functions of a source by name, each from its head to the brace that ends a line of its own.
fn functions(source: &str) -> Vec<(&str, &str)> {
    let starts = source.match_indices("\nfn ").map(|(at, _)| at + 1);
    let named = starts.filter_map(|at| {
        let rest = source.get(at..)?;
        let end = rest.find("\n}").unwrap_or(rest.len());
        Some((tokens(rest.get(3..)?).next()?, rest.get(..end)?))
    });
    named.collect()
}

/// The words of 32 bits that the declared variables of a function have at most at one place.
fn registers(body: &str) -> usize {
    let (mut open, mut most) = (vec![0], 0);
    for line in body.lines().map(str::trim) {
        if line.starts_with('}') {
            open.pop();
        }
        if line.starts_with("var ") {
            let words = if line.contains("vec4") { 4 } else { 1 };
            if let Some(own) = open.last_mut() {
                *own += words;
            }
            most = most.max(open.iter().sum());
        }
        if line.ends_with('{') {
            open.push(0);
        }
    }
    most
}

/// The accesses to memory of the longest stretch of a function without a loop.
fn longest(body: &str, memory: &[&str], calls: &HashMap<&str, usize>) -> usize {
    let of = |stretch: &str| {
        let words: Vec<&str> = tokens(stretch).collect();
        let pairs = words.windows(2).map(|two| match two {
            [name, "["] if memory.contains(name) => 1,
            [name, "("] => calls.get(name).copied().unwrap_or(0),
            _ => 0,
        });
        pairs.sum()
    };
    body.split("for (").map(of).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{functions, longest, registers};
    use std::collections::HashMap;

    const SOURCE: &str = "
fn two(i: u32) -> f32 {
    return x[i] + x[i + 1u];
}
fn main() {
    var a = vec4(0.0);
    {
        var b = 0.0;
    }
    {
        var c = vec4(0.0);
        c += y[0];
    }
    for (var i = 0u; i < 8u; i++) {
        a += two(i) + x[i];
    }
}
";

    #[test]
    fn registers_and_accesses_are_those_of_one_place() {
        let functions = functions(SOURCE);
        let names: Vec<&str> = functions.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["two", "main"]);
        assert_eq!(registers(functions[1].1), 8);
        let mut calls = HashMap::new();
        for (name, body) in functions {
            calls.insert(name, longest(body, &["x", "y"], &calls));
        }
        assert_eq!((calls["two"], calls["main"]), (2, 3));
    }
}
